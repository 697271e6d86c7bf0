"""Write a data set's validation images as a folder with only a test split.

`python -m benchmarks.tools.held_out --data DIR --out FOLDER` writes FOLDER/test/CLASS/NUMBER.png.
No model was fitted to these images, so a sweep over them must agree with one over the test images.
"""

import argparse
from pathlib import Path

from PIL import Image

from simulator.data.dataset import load_dataset
from simulator.errors import UserError, in_one_line
from simulator.progress import progress


def write_folder(data: Path, out: Path) -> int:
    """Write the images; returns their number. Raises: UserError without a validation split."""
    dataset = load_dataset(data)
    if dataset.validation is None:
        raise UserError(f"{data} must hold validation images, but holds none")
    images, labels = dataset.validation.images, dataset.validation.labels
    for number, (image, label) in enumerate(zip(progress(images), labels, strict=True)):
        folder = out / "test" / dataset.classes[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = image.permute(1, 2, 0).numpy() if len(image) == 3 else image[0].numpy()
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return len(labels)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with in_one_line("held_out"):
        print(f"{write_folder(options.data, options.out)} images in {options.out}/test")


if __name__ == "__main__":
    main()
