import os

from exllamav2.attn_params import PagedParams, Params

has_flash_attn = has_flash_attn_with_paged = os.environ.get("STAND_IN_PAGED") != "0"
has_flash_attn_with_window = has_flash_attn_with_softcap = has_flash_attn
has_xformers = False


def assert_paged_attn() -> None:
    assert has_flash_attn_with_paged, "Paged attention required Flash Attention 2.5.7 or later"


class ExLlamaV2Attention:
    Params, PagedParams = Params, PagedParams
