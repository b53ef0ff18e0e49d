"""Leads this process's Hub client to a small Hub, as HF_ENDPOINT leads a new process's."""

import os


def lead_to(url, monkeypatch, *, token="hf_write", repository="tester/runs"):
    """Until the test ends; the client then asks again at once instead of waiting."""
    from huggingface_hub import constants

    from app.system import hub

    places = {"ENDPOINT": url, "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}"}
    for name, value in {**places, "HF_HUB_OFFLINE": False, "HF_TOKEN_PATH": os.devnull}.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("HF_REPOSITORY", repository)
    monkeypatch.setattr(hub, "_WAITS", (0.0, 0.0, 0.0))
    hub.api.cache_clear()
