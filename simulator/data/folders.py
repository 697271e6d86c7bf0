"""Data sets that are folders of images, one subfolder per class."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator.data.images import ImageFile, decode_all
from simulator.data.remarks import remarked
from simulator.data.splits import SPLITS, WHOLE, Decoded, arrange
from simulator.errors import UserError

_ANNOTATIONS = "val_annotations.txt"  # of tiny-imagenet: file name, class, and a box
_LITTER = ("thumbs.db", "desktop.ini")  # what file managers leave behind, besides hidden files


@dataclass(frozen=True, kw_only=True)
class ImageFolders:
    """Images in `<class>/` (split by semlink) or `<split>/<class>/`."""

    folder: Path
    classes: tuple[str, ...]
    images: tuple[ImageFile, ...]
    lists: tuple[Path, ...] = ()  # files that list the classes of images

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that determine the content."""
        images = (image.source for image in self.images if isinstance(image.source, Path))
        return (*images, *self.lists)

    def read(self, resize: int | None = None) -> Decoded:
        """Decode and split. Raises: UserError naming the first invalid file."""
        pictures = decode_all(self.images, total=len(self.images), resize=resize)
        return remarked(arrange(self.classes, *pictures, name=str(self.folder)))


def find_image_folders(folder: Path) -> ImageFolders:
    """List the images. The names of their folders are the classes, sorted by `natural`.

    Raises: UserError naming the folder if a test split or class folders are missing, a class folder
    is empty, a folder is neither split nor class, or splits have different classes.
    """
    if (folder / "val" / _ANNOTATIONS).is_file():
        return _annotated(folder)
    tops = subfolders(folder)
    splits = {top.name: top for top in tops if top.name in SPLITS}
    # A class may be called "train": then its folder holds images, and other classes lie beside it.
    if not splits or (len(splits) < len(tops) and not any(map(subfolders, splits.values()))):
        splits = {WHOLE: folder}
    elif len(splits) < len(tops):
        odd = next(top for top in tops if top.name not in SPLITS)
        raise UserError(
            f"{odd}: beside {', '.join(splits)} there may only be folders named "
            f"{', '.join(SPLITS)}; rename or move it (val: to validation, or to test where "
            "there is none)"
        )
    elif "test" not in splits:
        raise UserError(f"{folder}: no test split; besides {', '.join(splits)} it needs test/")
    classes = {split: _class_folders(where) for split, where in splits.items()}
    _check_same_classes(classes, splits)
    return ImageFolders(
        folder=folder,
        classes=tuple(path.name for path in next(iter(classes.values()))),
        images=tuple(file for split, own in classes.items() for file in _of_classes(split, own)),
    )


def _of_classes(split: str, class_folders: list[Path]) -> Iterator[ImageFile]:
    for label, class_folder in enumerate(class_folders):
        yield from (ImageFile(split, label, str(path), path) for path in _images(class_folder))


def _annotated(folder: Path) -> ImageFolders:
    """The layout of tiny-imagenet: `val/images` is the test split, as `test` has no labels."""
    class_folders, listed = _class_folders(folder / "train"), folder / "val" / _ANNOTATIONS
    label = {path.name: number for number, path in enumerate(class_folders)}
    test = []
    for number, line in enumerate(listed.read_text(encoding="utf-8").splitlines(), start=1):
        name, _, more = line.partition("\t")
        own = more.partition("\t")[0]
        if own not in label:
            raise UserError(
                f"{listed} line {number}: must be a file name, a tab and a class folder of train/, "
                f"got {line!r}"
            )
        path = listed.parent / "images" / name
        test.append(ImageFile("test", label[own], str(path), path))
    if not test:
        raise UserError(f"{listed}: must name test images, but is empty")
    images = (*_of_classes("train", class_folders), *test)
    return ImageFolders(folder=folder, classes=tuple(label), images=images, lists=(listed,))


def subfolders(folder: Path) -> list[Path]:
    """The visible subfolders, sorted by `natural`."""
    found = [path for path in _visible(folder) if path.is_dir()]
    return sorted(found, key=lambda path: natural(path.name))


def natural(name: str) -> tuple[bool, int, str]:
    """Sort key of class names: numbers first, in numerical order, then words."""
    number = name.isascii() and name.isdigit()
    return (not number, int(name) if number else 0, name)


def _visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))


def _class_folders(folder: Path) -> list[Path]:
    found = subfolders(folder)
    if len(found) < 2:
        raise UserError(
            f"{folder}: must hold at least two class folders of images, got {len(found)}; make one "
            "folder per class"
        )
    return found


def _images(folder: Path) -> list[Path]:
    found = sorted(path for path in _visible(folder) if path.name.lower() not in _LITTER)
    if not found:
        raise UserError(f"{folder}: every class must have images, but this folder holds none")
    if [path for path in found if path.suffix != ".txt"] == [folder / "images"]:
        return _images(folder / "images")
    for path in found:
        if not path.is_file():
            raise UserError(
                f"{path}: a class folder must hold image files only, but this is no file; "
                "images lie in <class>/, or in train/<class>/ and test/<class>/"
            )
    return found


def _check_same_classes(classes: dict[str, list[Path]], splits: dict[str, Path]) -> None:
    first, *others = classes
    names = {path.name for path in classes[first]}
    for split in others:
        if differing := names ^ {path.name for path in classes[split]}:
            raise UserError(
                f"{splits[split]} and {splits[first]} must have the same class folders, but only "
                f"one of them has {min(differing)}"
            )
