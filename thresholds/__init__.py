"""What is good enough: metrics, measurements, thresholds and verdicts. Pure: no pytest, no network, no clock."""
