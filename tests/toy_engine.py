"""The ExLlamaV2 server as a process of its own, with a toy model behind the stand-in of the library."""

import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from fake_engine import END

from fixtures.engines.counters import parsed
from fixtures.engines.process import ServerProcess, answers, free_port

STAND_INS = Path(__file__).with_name("stand_ins")
TEMPLATE = (
    "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
WIDTH = 32
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": END + 1,
    "eos_token_id": END,
    "max_position_embeddings": 2048,
    "hidden_size": WIDTH,
    "intermediate_size": WIDTH,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
}
"""What ExLlamaV2 reads in config.json; the toy computes with none of it."""

LAYER = "model.layers.0."
MATRICES = [
    "lm_head.weight",
    "model.embed_tokens.weight",
    *(f"{LAYER}self_attn.{name}_proj.weight" for name in "qkvo"),
    *(f"{LAYER}mlp.{name}_proj.weight" for name in ("gate", "up", "down")),
]
NORMS = ["model.norm.weight", *(f"{LAYER}{name}_layernorm.weight" for name in ("input", "post_attention"))]

Body = Mapping[str, Any]


def checkpoint(folder: Path, *, errs: int = 0, **config: Any) -> Path:
    """A toy model whose token ids are bytes; as a draft it differs from another at `errs` of 100 places."""
    from safetensors.numpy import save_file
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    from conftest import _letters

    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.BPE(vocab=_letters(), merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|end|>", special=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
    weights = {name: np.zeros((WIDTH, WIDTH), np.float16) for name in MATRICES}
    save_file(weights | {name: np.zeros(WIDTH, np.float16) for name in NORMS}, folder / "model.safetensors")
    for name, told in (
        ("config.json", {**LLAMA, "toy": {"errs": errs}, **config}),
        ("tokenizer_config.json", {"eos_token": "<|end|>", "chat_template": TEMPLATE}),
    ):
        (folder / name).write_text(json.dumps(told), encoding="utf-8")
    return folder


class ToyEngine:
    """`with ToyEngine(folder, "--ngram") as toy:` serves the checkpoint until the block ends.

    Args:
        environment: What the stand-in is told, and the key of the server.
    """

    def __init__(self, model: Path, *words: str, environment: Mapping[str, str] | None = None) -> None:
        self.model = model
        self.port = free_port()
        self.key: str | None = None
        command = [sys.executable, "-m", "fixtures.engines.exllamav2_server", "--model", str(model)]
        command += ["--port", str(self.port), "--served-model-name", "tiny", *words]
        folders = os.pathsep.join([str(STAND_INS), str(STAND_INS.parents[1])])
        told = {"PYTHONPATH": folders, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
        self.process = ServerProcess(command, told, model.parent / f"{model.name}-{self.port}.log")

    def __enter__(self) -> Self:
        self.process.start()
        try:
            self.process.wait_until(lambda: answers(f"http://127.0.0.1:{self.port}/health"), 60)
        except BaseException:
            self.process.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def get(self, page: str) -> str:
        with urllib.request.urlopen(self._request(page), timeout=30) as response:  # noqa: S310 - http, to our own server
            return str(response.read().decode())

    def post(self, route: str = "completions", **payload: Any) -> Body:
        """The answer, which must be one."""
        status, body = self.status(route, **payload)
        assert status == 200, body
        return body

    def served(self) -> list[dict[str, Any]]:
        """What /v1/models says."""
        return list(json.loads(self.get("/v1/models"))["data"])

    def status(self, route: str = "completions", **payload: Any) -> tuple[int, Body]:
        """The status and the body, whatever they are."""
        try:
            with urllib.request.urlopen(self._request(f"/v1/{route}", payload), timeout=30) as response:  # noqa: S310 - http, to our own server
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def stream(self, route: str = "completions", **payload: Any) -> list[dict[str, Any]]:
        """The events of a stream, without the last, which says that it is done."""
        request = self._request(f"/v1/{route}", {"stream": True, **payload})
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            events = response.read().decode().split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]

    def leave_in_the_middle(self, **payload: Any) -> None:
        """Ask, read the first piece of the answer where it streams, and hang up."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/v1/completions", json.dumps(payload), self._headers())
        if payload.get("stream"):
            connection.getresponse().read1(1)
        connection.close()

    def counted(self, name: str) -> float:
        """One of the server's own counters, by the name that it has on the page."""
        return next(value for found, value in parsed(self.get("/metrics")).items() if found.endswith(name))

    def _request(self, page: str, payload: Body | None = None) -> urllib.request.Request:
        body = None if payload is None else json.dumps(payload).encode()
        return urllib.request.Request(f"http://127.0.0.1:{self.port}{page}", body, self._headers())

    def _headers(self) -> dict[str, str]:
        key = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return {"Content-Type": "application/json", **key}
