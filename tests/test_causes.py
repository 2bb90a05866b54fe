"""Why an engine did not start, read from its log."""

import pytest

from fixtures.engines.causes import cause

DEVICE_FULL = (
    "(EngineCore_DP0 pid=7) ERROR 11-21 23:51:02 [core.py:792] ValueError: Free memory on device (3.1/139.8 GiB) "
    "on startup is less than desired GPU memory utilization (0.9, 125.8 GiB)."
)
OTHER_VOCABULARY = (
    "  Value error, Target and draft model should have the same vocabulary size. Target model vocab_size=49152. "
    "Draft model vocab_size=32000. Using models with different tokenizers can cause out-of-bounds errors during "
    "speculative decoding. [type=value_error, input_value=ArgsKwargs((), {'method': …}), input_type=ArgsKwargs]"
)
OLD_GPU = (
    "ValueError: The quantization method fp8 is not supported for the current GPU. Minimum capability: 89. "
    "Current capability: 75."
)
TOO_MANY = "ValueError: num_speculative_tokens:5 must be divisible by n_predict=2"
HOST_FULL = "RuntimeError: [enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("api_server.py: error: unrecognized arguments: --quantisation awq", "unknown_flag"),
        ("api_server.py: error: argument --dtype: invalid choice: 'int3' (choose from auto, half)", "unknown_flag"),
        ("OSError: [Errno 98] Address already in use", "port_taken"),
        (
            "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use",
            "port_taken",
        ),
        ("ModuleNotFoundError: No module named 'vllm'", "missing_package"),
        ("ImportError: Please install flash-attn to use this backend", "missing_package"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB. GPU 0 has …", "out_of_memory"),
        (
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
            "out_of_memory",
        ),
        pytest.param(DEVICE_FULL, "out_of_memory"),
        pytest.param(HOST_FULL, "out_of_memory"),
        pytest.param(OTHER_VOCABULARY, "foreign_vocabulary"),
        pytest.param(TOO_MANY, "too_many_draft_tokens"),
        pytest.param(OLD_GPU, "wrong_hardware"),
        ("ValueError: Failed to find a kernel that can implement the WNA16 linear layer. Reasons:", "wrong_hardware"),
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "wrong_hardware"),
        (
            "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. Repository Not Found for url",
            "missing_weights",
        ),
        ("OSError: ./empty does not appear to have a file named config.json", "missing_weights"),
        ("OSError: We couldn't connect to 'https://huggingface.co' to load the files", "missing_weights"),
        ("RuntimeError: Cannot find any model weights with `/models/empty`", "missing_weights"),
        ("ValueError: Model architectures ['NewForCausalLM'] are not supported for now.", "unsupported"),
        ("ValueError: Unknown quantization method: exl9. Must be one of ['awq', 'fp8']", "unsupported"),
        (
            "ValueError: User-specified max_model_len (999999) is greater than the derived max_model_len",
            "invalid_setting",
        ),
        ("RuntimeError: Engine core initialization failed. See root cause above.", "crashed"),
        ("Segmentation fault (core dumped)", "crashed"),
    ],
    ids=lambda value: value[:40] if " " in value else value,
)
def test_the_cause_of_a_failed_start_is_read_from_the_log(line: str, reason: str) -> None:
    log = [
        "INFO 11-21 23:50:40 [api_server.py:1351] vLLM API server version 0.32.0",
        "Traceback (most recent call last):",
    ]

    found, _ = cause([*log, line])

    assert found == reason


def test_the_line_that_tells_the_cause_comes_without_the_logger_s_prefix() -> None:
    line = "(EngineCore_DP0 pid=7) ERROR 11-21 23:51:02 [core.py:792] ValueError: Unknown quantization method: exl9."

    assert cause([line]) == ("unsupported", "ValueError: Unknown quantization method: exl9.")


def test_the_first_error_is_told_and_not_those_that_only_follow_from_it() -> None:
    log = ["KeyError: 'lm_head.weight'", "RuntimeError: Engine core initialization failed. See root cause above."]

    assert cause(log) == ("crashed", "KeyError: 'lm_head.weight'")


@pytest.mark.parametrize(
    "harmless",
    [
        "INFO 11-21 23:50:41 [importing.py:53] Please install triton for better performance",
        "WARNING 11-21 23:50:41 [arg_utils.py:12] Async scheduling is not supported with this backend; turned off",
    ],
)
def test_a_harmless_line_before_the_error_is_not_the_cause(harmless: str) -> None:
    assert cause([harmless, "KeyError: 'lm_head.weight'"])[0] == "crashed"


def test_a_python_warning_is_no_cause() -> None:
    warning = "/site-packages/vllm/api_server.py:24: DeprecationWarning: this entry point is not supported for ever"

    assert cause([warning]) == ("crashed", None)


def test_a_harmless_hint_does_not_hide_that_memory_ran_out() -> None:
    hint = "INFO 11-21 23:50:41 [importing.py:53] Please install triton for better performance"

    assert cause([hint, "torch.OutOfMemoryError: CUDA out of memory."])[0] == "out_of_memory"
