"""LeRobot's SmolVLA, random weights, behind LeRobot's own server (`lerobot.async_inference`), asked as by its client.

    python lerobot_server.py SIZE VOCABULARY          reads numbers of requests from standard input, one a line
    python lerobot_server.py SIZE VOCABULARY PORT     the server alone

Prints {"parameters", "versions"} once it answers, then for each line a list of milliseconds, each from the observation
to the chunk. The server's wait for `inference_latency` and its passing over of similar observations are switched off;
its pickled messages, its observation queue and its processors (with a tokenizer of one token a word) are as they are.
"""

import itertools
import json
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from concurrent import futures
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import grpc
import numpy as np
import torch
from lerobot.async_inference.configs import PolicyServerConfig
from lerobot.async_inference.helpers import TimedObservation
from lerobot.async_inference.policy_server import PolicyServer
from lerobot.processor import (
    NewLineTaskProcessorStep,
    TokenizerProcessorStep,
    make_default_policy_processor_steps,
    make_policy_processor_pipelines,
)
from lerobot.transport import services_pb2, services_pb2_grpc
from lerobot.transport.utils import send_bytes_in_chunks
from lerobot_policies import PICTURE, STATE, smolvla
from sizes import INSTRUCTION, POLICIES, Policy
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def joints(count: int) -> list[str]:
    return [f"joint {i}" for i in range(count)]


def features(size: Policy) -> dict[str, dict]:
    """As LeRobot's client describes a robot."""
    picture = (size.image_size, size.image_size, 3)
    return {
        STATE: {"dtype": "float32", "shape": (size.state_dim,), "names": joints(size.state_dim)},
        PICTURE: {"dtype": "image", "shape": picture, "names": ["height", "width", "channels"]},
    }


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word and one for the line's end."""
    words = {word: i for i, word in enumerate(["<pad>", *dict.fromkeys(INSTRUCTION.split()), "\n"])}
    inside = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    inside.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Split(" ", "removed")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=inside, pad_token="<pad>")


def serve(size: Policy, port: int) -> None:
    """`PolicyServer` with a policy that is in memory already, where its client would name one of the Hub."""
    torch.manual_seed(0)
    server = PolicyServer(
        PolicyServerConfig(host="127.0.0.1", port=port, inference_latency=0.0, obs_queue_timeout=60.0)
    )
    with tempfile.TemporaryDirectory() as folder:
        policy = smolvla(size, folder).float()
    widths = {STATE: size.state_dim, "action": size.action_dim}
    statistics = {name: {"mean": torch.zeros(width), "std": torch.ones(width)} for name, width in widths.items()}
    steps = make_default_policy_processor_steps(policy.config, statistics)
    before = [
        steps.rename_observations,
        steps.add_batch_dim,
        NewLineTaskProcessorStep(),
        TokenizerProcessorStep(
            tokenizer=tokenizer(),
            padding=policy.config.pad_language_to,
            padding_side="right",
            max_length=policy.config.tokenizer_max_length,
        ),
        steps.to_device,
        steps.normalize,
    ]
    server.preprocessor, server.postprocessor = make_policy_processor_pipelines(
        input_steps=before, output_steps=[steps.unnormalize, steps.to_cpu]
    )
    server.policy, server.device, server.policy_type = policy, "cpu", "smolvla"
    server.lerobot_features, server.actions_per_chunk = features(size), size.chunk
    transport = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    services_pb2_grpc.add_AsyncInferenceServicer_to_server(server, transport)
    transport.add_insecure_port(f"127.0.0.1:{port}")
    transport.start()
    print(sum(weight.numel() for weight in policy.parameters()), flush=True)
    transport.wait_for_termination()


def ask(stub: services_pb2_grpc.AsyncInferenceStub, size: Policy, number: int) -> float:
    """Milliseconds from an observation to its chunk."""
    rng = np.random.default_rng(number)
    picture = rng.integers(0, 256, (size.image_size, size.image_size, 3), dtype=np.uint8)
    state = dict(zip(joints(size.state_dim), rng.normal(size=size.state_dim).astype(np.float32), strict=True))
    begin = time.perf_counter()
    seen = TimedObservation(
        timestamp=time.time(),
        observation={**state, PICTURE.rpartition(".")[2]: picture, "task": INSTRUCTION},
        timestep=number,
        must_go=True,
    )
    stub.SendObservations(send_bytes_in_chunks(pickle.dumps(seen), services_pb2.Observation, silent=True))
    chunk = pickle.loads(stub.GetActions(services_pb2.Empty()).data)  # noqa: S301 (of the process below)
    took = (time.perf_counter() - begin) * 1e3
    assert len(chunk) == size.chunk, len(chunk)
    return took


def main() -> None:
    size = replace(POLICIES[sys.argv[1]], vocabulary=int(sys.argv[2]))
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    if len(sys.argv) > 3:
        serve(size, int(sys.argv[3]))
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", str(Path(__file__).absolute()), *sys.argv[1:3], str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        lines = (line for line in server.stdout if line.strip().isdigit())
        parameters = int(next(lines))
        stub = services_pb2_grpc.AsyncInferenceStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
        stub.Ready(services_pb2.Empty())
        versions = {name: metadata.version(name) for name in ("lerobot", "torch", "transformers", "grpcio")}
        print(json.dumps({"parameters": parameters, "versions": versions}), flush=True)
        numbers = itertools.count(1)
        for line in sys.stdin:
            print(json.dumps([ask(stub, size, next(numbers)) for _ in range(int(line))]), flush=True)
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
