"""A script as it is written for the API that artfs follows: only the name of the import is another. Run by `test_scripts`."""

# ruff: noqa: PTH103, PTH208  such scripts are written with os, and so is this one

import os

import artfs as wandb

os.makedirs("images/animals")
for path in ("bicycle-data.h5", "model.h5", "images/cat.png", "images/animals/dog.png"):
    with open(path, "wb") as file:
        file.write(path.encode() * 100)

# Log a dataset.
run = wandb.init(project="bikes", job_type="prepare")
artifact = wandb.Artifact("bike-dataset", type="dataset")
artifact.add_file("bicycle-data.h5")
run.log_artifact(artifact, aliases=["latest", "best-ap50"])
run.finish()

# Train on it.
run = wandb.init(project="bikes", job_type="train", name="train-1", config={"lr": 0.1})
artifact = run.use_artifact("bike-dataset:v0")
artifact_dir = artifact.download()
print("dataset", sorted(os.listdir(artifact_dir)), artifact.name, sorted(artifact.aliases))
same = run.use_artifact("bikes/bike-dataset:latest")
assert same.digest == run.use_artifact(f"{run.entity}/bikes/bike-dataset:best-ap50").digest

artifact = wandb.Artifact("bike-model", type="model", description="a model", metadata={"lr": run.config.lr})
artifact.add_file("model.h5")
artifact.add_dir("images", name="optional-prefix")
with artifact.new_file("hello.txt") as f:
    f.write("hello!")
run.log_artifact(artifact)
artifact.wait()
print("model", artifact.version, sorted(entry.path for entry in artifact.files()))
print("file", artifact.get_path("optional-prefix/cat.png").download())

# Construct and use.
artifact = wandb.Artifact("external-model", type="model")
artifact.add_file("model.h5")
run.use_artifact(artifact)
print("used", sorted(used.name for used in run.used_artifacts()))
print("logged", [logged.name for logged in run.logged_artifacts()])
wandb.finish()

# Update, walk the graph, clean up.
api = wandb.Api()
artifact = api.artifact("bikes/bike-dataset:latest")
artifact.description = "updated"
artifact.metadata["k"] = "v"
artifact.aliases.append("best")
artifact.aliases.remove("latest")
artifact.save()
artifact = api.artifact("bikes/bike-dataset:best")
print("updated", artifact.description, artifact.metadata, sorted(artifact.aliases))
artifact.aliases = ["replaced"]
artifact.metadata = {"all": "new"}
artifact.save()
print("producer", artifact.logged_by().job_type, "consumers", [user.name for user in artifact.used_by()])  # type: ignore[union-attr]

with wandb.init(project="bikes", job_type="prepare") as run:
    for number in range(3):
        artifact = wandb.Artifact("bike-dataset", type="dataset")
        with artifact.new_file("number.txt") as f:
            f.write(str(number))
        run.log_artifact(artifact)
for version in api.artifact_versions("dataset", "bikes/bike-dataset"):
    if len(version.aliases) == 0:
        version.delete()
print("versions", [(version.version, version.aliases) for version in api.artifact_versions("dataset", "bikes/bike-dataset")])
