"""Logits, top-5 and class names of a model by timm or transformers, as JSON: a script without isoscale.

`python elsewhere.py timm|transformers NAME IMAGES.npy`, where the images are uint8 (n, H, W[, 3]).
"""

import json
import sys

import numpy as np
import torch
from PIL import Image


def of_timm(name, pictures):
    import timm

    model = timm.create_model(name, pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    return model(torch.stack([transform(one) for one in pictures])), model.pretrained_cfg["label_names"]


def of_transformers(name, pictures):
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    model = AutoModelForImageClassification.from_pretrained(name).eval()
    processor = AutoImageProcessor.from_pretrained(name)
    names = [model.config.id2label[number] for number in range(model.config.num_labels)]
    return model(processor(pictures, return_tensors="pt")["pixel_values"]).logits, names


library, name, images = sys.argv[1:]
with torch.no_grad():
    logits, names = {"timm": of_timm, "transformers": of_transformers}[library](
        name, [Image.fromarray(one) for one in np.load(images)]
    )
assert not {"app", "isoscale"} & {*sys.modules}
top = logits.topk(5).indices
print(
    json.dumps({"logits": logits.tolist(), "top5": [[names[i] for i in row] for row in top.tolist()], "names": names})
)
