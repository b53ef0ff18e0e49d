# %% [markdown]
# # isoscale in a notebook
#
# Train vision models so that you can compare two architectures fairly: same budget, same data, same seeds.
# This notebook runs on Colab, on Kaggle and on your machine. Run its six cells in order. Without a GPU they take a few
# minutes.

# %% [markdown]
# ## 1. Install
#
# If no release is on your package index, install from a copy of the repository: `%pip install -q ./isoscale`.

# %%
# %pip install -q isoscale
import subprocess
import sys
from pathlib import Path

import isoscale

print("isoscale", isoscale.__version__)

# %% [markdown]
# ## 2. Train on digits
#
# A Vision Transformer on 1,797 small scans. If you interrupt the cell, run it again: the run resumes.

# %%
EPOCHS = 4
run = isoscale.train(model="vit_classic", dataset="digits", size="1M", epochs=EPOCHS, verbose=True)
print(f"run {run.record.run_id}: {run.record.test.top1:.1%} of {run.record.test.n} test images are right")

# %% [markdown]
# ## 3. Your own folder of images
#
# Set FOLDER to a folder with one subfolder per class. Here, such a folder is made from digits first.

# %%
FOLDER = Path("scans")
digits = isoscale.dataset("digits")
if not FOLDER.exists():
    rows = digits["train"]
    isoscale.write_images(rows.images[:600, 0], [digits.class_names[label] for label in rows.labels[:600]], FOLDER)
own = isoscale.train(model="vit_classic", dataset=f"./{FOLDER}", size="1M", image=8, patch=4, epochs=EPOCHS)
model = isoscale.load(own)
image = next(FOLDER.glob("*/*.png"))
answer = model.predict(image)
print(f"{image}: {answer.names[0]} ({answer.probabilities.max():.1%})")

# %% [markdown]
# ## 4. GPU
#
# With a GPU, this cell trains 10M parameters on CIFAR-10 for one epoch. In Colab, choose one under Runtime, Change
# runtime type. In Kaggle, choose one under Settings, Accelerator.

# %%
try:
    subprocess.run(["nvidia-smi", "--list-gpus"], check=True)
    gpu = isoscale.train(model="vit_differential", dataset="cifar10", size="10M", epochs=1, verbose=True)
    print(f"run {gpu.record.run_id}: {gpu.record.test.top1:.1%}, {gpu.record.seconds.training:.0f} s")
except (FileNotFoundError, subprocess.CalledProcessError):
    print("This machine has no NVIDIA GPU. The other cells run on the CPU.")

# %% [markdown]
# ## 5. Compare two architectures
#
# A study is a table of runs. Runs that are done are not trained again.

# %%
Path("study.csv").write_text("model,size\nvit_classic,1M\nvit_differential,1M\n")
study = ["study", "study.csv", "--cross", "seed=0-2", "--dataset", "digits", "--epochs", str(EPOCHS)]
subprocess.run([sys.executable, "-m", "isoscale", *study], check=True)
print(isoscale.compare("study.csv"))

# %% [markdown]
# ## 6. Report
#
# One page with the verdict, the results of every run, and how to reproduce them.

# %%
subprocess.run([sys.executable, "-m", "isoscale", "report", "study.csv", "--out", "report.html"], check=True)
print(f"report.html: {Path('report.html').stat().st_size:,} bytes. Download it and open it in a browser.")
