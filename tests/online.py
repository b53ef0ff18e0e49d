"""Leads this process's Hub client to a small Hub, as HF_ENDPOINT leads a new process's."""

import os
import time
from types import SimpleNamespace


def lead_to(url, monkeypatch, *, token="hf_write", repository="tester/runs"):
    """Until the test ends; the client then asks again at once instead of waiting."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    from app.system import hub

    places = {"ENDPOINT": url, "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}"}
    for name, value in {**places, "HF_HUB_OFFLINE": False, "HF_TOKEN_PATH": os.devnull}.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("HF_REPOSITORY", repository)
    monkeypatch.setattr(hub, "_WAITS", (0.0, 0.0, 0.0))
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", SimpleNamespace(**vars(time) | {"sleep": lambda _: None}))
    hub.api.cache_clear()
