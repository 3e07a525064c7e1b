"""The studio's API on Ray Serve: ``serve run`` of :func:`studio_application`.

Two deployments. :class:`WindowDenoiser` holds the denoiser of a model; Serve starts as many
replicas as the load wants, and each joins windows of several requests in one call of the network.
The API itself (:mod:`kinetune.serve`) has one replica, because its jobs and files are in one
folder: its jobs run in threads, several at a time, and send their windows to the denoisers.

    from kinetune.cluster.serving import ClusterServing, studio_application
    from ray import serve

    serve.run(studio_application(ServerSettings(...), ClusterServing()))
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import ConfigError, KinetuneError
from kinetune.extras import extra
from kinetune.serve.settings import ServerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from torch import Tensor, nn

    from kinetune.model.pipeline import DanceToMusicPipeline
    from kinetune.model.unet import UNetOutput
    from kinetune.serve.store import Work
    from kinetune.tasks.lazy_pipeline import LazyPipeline

# The denoiser's arguments of one request, by name.
Windows = dict[str, NDArray]
APPLICATION = "kinetune"
_POLL_S = 0.1


@dataclass(frozen=True)
class ClusterServing:
    """How the API is spread over a cluster.

    Attributes:
        least_replicas: Denoisers that always run.
        most_replicas: Denoisers at most.
        target_requests: Requests a denoiser at which another is started.
        cpus: CPUs of a denoiser.
        gpus: GPUs of a denoiser.
        batch_requests: Requests that are joined in one call of the network, at most.
        batch_wait_s: How long a call waits for further requests, seconds.
        jobs_at_once: Jobs that the API runs at a time.

    Raises:
        ConfigError: A number is out of range.
    """

    least_replicas: int = 1
    most_replicas: int = 8
    target_requests: float = 4.0
    cpus: float = 1.0
    gpus: float = 0.0
    batch_requests: int = 8
    batch_wait_s: float = 0.01
    jobs_at_once: int = 8

    def __post_init__(self) -> None:
        for name in ("least_replicas", "batch_requests", "jobs_at_once"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be 1 or more, found {getattr(self, name)}")
        if self.most_replicas < self.least_replicas:
            raise ConfigError(
                f"most_replicas must be {self.least_replicas} or more, found {self.most_replicas}"
            )

    @property
    def autoscaling(self) -> dict[str, float]:
        """Serve's autoscaling_config of the denoisers."""
        return {
            "min_replicas": self.least_replicas,
            "max_replicas": self.most_replicas,
            "target_ongoing_requests": self.target_requests,
        }


def studio_application(settings: ServerSettings, serving: ClusterServing | None = None) -> Any:  # noqa: ANN401 - Ray has no types
    """Return the application for ``ray.serve.run``.

    Args:
        settings: Of the API; ``host`` and ``port`` are Serve's own business, and the first of
            ``models`` is the one on the cluster.
        serving: How it is spread.

    Raises:
        MissingExtraError: Ray Serve isn't installed.
        ConfigError: Several models are named.
    """
    with extra("ray-serve"):
        from ray import serve
    serving = serving or ClusterServing()
    if len(settings.models) != 1:
        raise ConfigError(
            f"models: expected one for the cluster, found {', '.join(settings.models)}; run an "
            "application for each"
        )
    denoisers = serve.deployment(
        WindowDenoiser, name="WindowDenoiser", autoscaling_config=serving.autoscaling,
        max_ongoing_requests=2 * serving.batch_requests,
        ray_actor_options={"num_cpus": serving.cpus, "num_gpus": serving.gpus},
    ).bind(settings.models[0], serving.batch_requests, serving.batch_wait_s)  # fmt: skip

    def build() -> "FastAPI":
        return _cluster_app(settings, serving)

    # Serve takes a function of no arguments, which the replica calls.
    api = serve.deployment(
        serve.ingress(build)(), name="StudioApi", num_replicas=1, max_ongoing_requests=200
    )
    return api.bind(denoisers)


class WindowDenoiser:
    """A denoiser that joins the windows of several requests.

    Args:
        model: A bundled name, a checkpoint folder, or a hub id.
        batch_requests: Requests that are joined, at most.
        batch_wait_s: How long a call waits for further ones, seconds.
    """

    def __init__(self, model: str, batch_requests: int, batch_wait_s: float) -> None:
        from ray import serve

        from kinetune.model.device import choose_device
        from kinetune.model.pipeline import DanceToMusicPipeline

        device = choose_device("auto")
        self._unet = DanceToMusicPipeline.from_pretrained(model, device=device).unet.eval()
        self.calls, self.requests = 0, 0
        self._joined = serve.batch(
            max_batch_size=batch_requests, batch_wait_timeout_s=batch_wait_s
        )(self._predict_all)

    async def predict(self, windows: Windows) -> NDArray[np.float32]:
        """Return the prediction (B, C, 1, W) for the windows of one request."""
        predicted: NDArray[np.float32] = await self._joined(windows)
        return predicted

    async def counts(self) -> tuple[int, int]:
        """Return how often the network was called, and for how many requests."""
        return self.calls, self.requests

    async def _predict_all(self, requests: list[Windows]) -> list[NDArray[np.float32]]:
        self.calls += len({_shape(request) for request in requests})
        self.requests += len(requests)
        # Further requests gather while the network works.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, predict_together, self._unet, requests)


def predict_together(unet: "nn.Module", requests: Sequence[Windows]) -> list[NDArray[np.float32]]:
    """Return the predictions for several requests, with one call of the network a shape.

    Args:
        unet: Called with the requests' arguments, joined along B.
        requests: ``sample`` (B, C, H, W), ``timestep`` (B,) and the conditions, B first in each.
    """
    import torch

    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, request in enumerate(requests):
        groups.setdefault(_shape(request), []).append(number)
    results: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(requests)
    device = next(unet.parameters()).device
    for numbers in groups.values():
        chosen = [requests[number] for number in numbers]
        joined = {
            name: torch.from_numpy(np.concatenate([each[name] for each in chosen])).to(device)
            for name in chosen[0]
        }
        with torch.no_grad():
            predicted = unet(**joined).sample.float().cpu().numpy()
        ends = np.cumsum([len(each["sample"]) for each in chosen])[:-1]
        for number, part in zip(numbers, np.split(predicted, ends), strict=True):
            results[number] = part
    return results


def _shape(request: Windows) -> tuple[Any, ...]:
    """Requests of the same shape can be joined: all axes but B."""
    return tuple((name, value.shape[1:]) for name, value in sorted(request.items()))


def send_windows(
    predict: Callable[[Windows], NDArray[np.float32]],
    sample: "Tensor",
    timestep: "Tensor",
    **conditions: "Tensor",
) -> "UNetOutput":
    """Have windows predicted elsewhere; called as a denoiser is.

    Args:
        predict: Where.
        sample: (B, C, H, W).
        timestep: (B,) or a scalar.
        **conditions: B first in each.
    """
    import torch

    from kinetune.model.unet import UNetOutput

    steps = timestep.expand(sample.shape[0])
    tensors = {"sample": sample, "timestep": steps, **conditions}
    arrays = {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}
    return UNetOutput(sample=torch.from_numpy(predict(arrays).copy()).to(sample.device))


def _cluster_app(settings: ServerSettings, serving: ClusterServing) -> "FastAPI":
    """Return the API whose jobs send their windows to the cluster's denoisers."""
    from fastapi import FastAPI

    from kinetune.serve.app import create_app

    app = create_app(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        from ray import serve

        handle = serve.get_deployment_handle("WindowDenoiser", app_name=APPLICATION)

        def predict(windows: Windows) -> NDArray[np.float32]:
            predicted: NDArray[np.float32] = handle.predict.remote(windows).result()
            return predicted

        jobs = ClusterJobs(settings, serving.jobs_at_once, predict)
        jobs.start()
        try:
            yield
        finally:
            jobs.stop()

    app.router.lifespan_context = lifespan
    return app


class ClusterJobs:
    """Threads that do the jobs of a data folder; a process reads its motions.

    Args:
        settings: Of the API.
        threads: How many jobs at a time.
        predict: Predicts windows.
    """

    def __init__(
        self,
        settings: ServerSettings,
        threads: int,
        predict: Callable[[Windows], NDArray[np.float32]],
    ) -> None:
        from kinetune.serve.workers import Workers

        self._settings, self._predict = settings, predict
        self._workers = Workers(
            settings.data, max_motion_s=settings.max_motion_s,
            job_timeout_s=settings.job_timeout_s, keep_s=settings.keep_days * 86_400.0,
            kinds=("motion",),
        )  # fmt: skip
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._loaded: DanceToMusicPipeline | None = None
        self._threads = [
            threading.Thread(target=self._work, args=(f"job-{number}",), daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Take up what a replica that died left, and begin."""
        self._workers.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what was being done waits for the next start."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._workers.stop()

    def _work(self, name: str) -> None:
        from kinetune.serve.execute import Workshop
        from kinetune.serve.workers import do_work

        # A sampler has a state, so each thread has a pipeline of its own; the networks are shared.
        pipeline_of = cache(self._pipeline_of)
        workshop = Workshop(self._workers.store, self._settings.max_motion_s, pipeline_of)
        while not self._stop.is_set():
            work = workshop.store.claim("job", name)
            if work is None:
                self._stop.wait(_POLL_S)
            else:
                do_work(work, workshop, check=partial(self._check, work))

    def _check(self, work: "Work") -> None:
        """Called as a job goes on.

        Raises:
            KinetuneError: It has run for as long as it may.
            CancelledError: The replica ends; the job waits for the next.
        """
        from kinetune.serve.workers import LOST, TIMED_OUT, CancelledError

        if self._stop.is_set():
            self._workers.store.requeue(replace(work, attempts=0), LOST)
            raise CancelledError
        if work.started is not None and time.time() - work.started > self._settings.job_timeout_s:
            raise KinetuneError(TIMED_OUT)

    def _pipeline_of(self, model: str) -> "LazyPipeline":
        """Return the model with a sampler of its own, its denoiser on the cluster."""
        from kinetune.model.pipeline import DanceToMusicPipeline
        from kinetune.tasks.lazy_pipeline import LazyPipeline

        with self._lock:
            if self._loaded is None:
                self._loaded = LazyPipeline(model).load()
                self._loaded.unet.forward = partial(send_windows, self._predict)
        parts = {**self._loaded.components, "scheduler": deepcopy(self._loaded.scheduler)}
        pipeline = DanceToMusicPipeline(**parts, settings=self._loaded.config["settings"])
        return LazyPipeline(model, pipeline=pipeline)
