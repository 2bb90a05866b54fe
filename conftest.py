"""The composition root: which plugins make up Weighbridge, and nothing else."""

pytest_plugins = ["fixtures.plugin", "reports.plugin"]
