"""A script without torch: the outputs of an ONNX file for arrays, `onnx_outputs.py MODEL INPUTS.npz OUTPUTS.npz`."""

import sys

import numpy
import onnxruntime


def main(model: str, inputs: str, outputs: str) -> None:
    """Write the outputs for each array of a file, under the same names. Fail if torch was imported."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    with numpy.load(inputs) as arrays:
        found = {key: session.run(None, {name: arrays[key]})[0] for key in arrays.files}
    if "torch" in sys.modules:
        raise RuntimeError("torch was imported, so the outputs do not show that the file works without it")
    numpy.savez(outputs, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
