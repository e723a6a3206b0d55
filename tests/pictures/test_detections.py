"""Detections: what they refuse, the other forms there and back, overlaps, and moving."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kunstkammer.errors import DataError
from kunstkammer.pictures.detections import Detections
from kunstkammer.pictures.framing import Affine, Framing
from kunstkammer.pictures.scale import fit_picture
from kunstkammer.pictures.visible import common, cut_to, joint_area

COORDINATE = st.floats(0, 5000, allow_nan=False)
GRID = st.integers(-40_000, 40_000).map(lambda n: n / 64)


def ordered(number: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, ...]]:
    def arrange(values: tuple[float, ...]) -> tuple[float, ...]:
        (x0, x1), (y0, y1) = sorted(values[:2]), sorted(values[2:])
        return x0, y0, x1, y1

    return st.tuples(number, number, number, number).map(arrange)


def some(number: st.SearchStrategy[float] = COORDINATE, most: int = 8) -> st.SearchStrategy[Detections]:
    def build(rows: list[tuple[tuple[float, ...], str, float]]) -> Detections:
        boxes, labels, scores = zip(*rows, strict=True) if rows else ((), (), ())
        return Detections(boxes, labels, scores)

    row = st.tuples(ordered(number), st.sampled_from(["", "a", "b"]), st.sampled_from([0.1, 0.5, 0.9]))
    return st.lists(row, max_size=most).map(build)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"boxes": [(0, 0, 1, 1), (5, 0, 4, 1)]}, r"x\.png: box 1 is \(5, 0, 4, 1\): it ends before it begins"),
        ({"boxes": [(0, 0, 1, 1), (0, 9, 4, 1)]}, r"box 1 is \(0, 9, 4, 1\): it ends before it begins"),
        ({"boxes": [(0, 0, float("nan"), 1)]}, r"box 0 is \(0, 0, nan, 1\); its numbers must be finite"),
        ({"boxes": [(0, 0, float("inf"), 1)]}, r"box 0 .* must be finite"),
        ({"boxes": [(0, 0, 1)]}, r"x\.png: boxes are to be rows of 4 numbers .*, not an array of \(1, 3\)"),
        ({"boxes": (0, 0, 1, 1)}, r"rows of 4 numbers .*, not an array of \(4,\)"),
        ({"boxes": [(0, 0, 1, 1), (0, 0, 1)]}, r"rows of 4 numbers"),
        ({"boxes": [(0, 0, 1, "x")]}, r"rows of 4 numbers .* could not convert"),
        ({"boxes": [(0, 0, 1, 1)], "labels": ["a", "b"]}, "2 labels for 1 boxes"),
        ({"boxes": [(0, 0, 1, 1)], "labels": [3]}, "the label of box 0 is 3; labels are names"),
        ({"boxes": [(0, 0, 1, 1)], "scores": [1, 2]}, "2 scores for 1 boxes"),
        ({"boxes": [(0, 0, 1, 1)], "scores": [float("nan")]}, "the score of box 0 is nan"),
        ({"boxes": [], "size": (0, 4)}, r"a picture of \(0, 4\) is none"),
    ],
)
def test_what_is_wrong_is_refused_by_its_row(values, message):
    with pytest.raises(DataError, match=message):
        Detections(**values, where="x.png")


def test_none_is_a_value_and_nothing_can_be_written_over():
    nothing = Detections()
    assert (len(nothing), nothing.boxes.shape, nothing.labels, nothing.scores) == (0, (0, 4), (), None)
    assert nothing == Detections([]) == Detections(np.empty((0, 4))) != Detections([(0, 0, 1, 1)])
    given_boxes = np.array([[0.0, 0.0, 1.0, 1.0]])
    one = Detections(given_boxes)
    given_boxes[:] = 7
    assert one.boxes.tolist() == [[0, 0, 1, 1]]
    with pytest.raises(ValueError, match="read-only"):
        one.boxes[0, 0] = 3
    with pytest.raises(AttributeError):
        one.size = (1, 1)
    assert repr(Detections([(0, 0, 1, 1.5)] * 5, ["a"] * 5)).endswith("a (0, 0, 1, 1.5), and 2 more)")


@given(some())
def test_other_forms_and_back_are_the_same_but_for_rounding(found):
    assert np.abs(Detections.from_coco(found.to_coco()).boxes - found.boxes).max(initial=0) < 1e-11
    assert np.abs(Detections.from_cxcywh(found.to_cxcywh()).boxes - found.boxes).max(initial=0) < 1e-11


@given(some(GRID))
def test_other_forms_and_back_are_the_same_to_the_last_bit_on_a_grid(found):
    assert Detections.from_coco(found.to_coco(), found.labels, found.scores) == found
    assert Detections.from_cxcywh(found.to_cxcywh(), found.labels, found.scores) == found
    sized = Detections(found.boxes, found.labels, found.scores, (256, 512))
    rows = sized.to_cxcywh(relative=True)
    assert Detections.from_cxcywh(rows, found.labels, found.scores, (256, 512), relative=True) == sized
    names = ["b", "", "a"]
    assert Detections.from_dict(found.to_dict(names), names) == found
    tensors = {key: torch.from_numpy(np.array(value)) for key, value in found.to_dict(names).items()}
    assert Detections.from_dict(tensors, names) == found


def test_other_forms_need_what_they_need():
    one = Detections([(0, 0, 2, 2)], ["cat"])
    with pytest.raises(DataError, match="no number for the label 'cat'. Did you mean 'cats'"):
        one.to_dict(["cats"])
    with pytest.raises(DataError, match=r"Label 3 has no name \(there are 1 names\)"):
        Detections.from_dict({"boxes": [(0, 0, 1, 1)], "labels": [3]}, ["a"])
    with pytest.raises(DataError, match="no key 'boxes'; there are: bbox"):
        Detections.from_dict({"bbox": []})
    with pytest.raises(DataError, match="need its size"):
        one.to_cxcywh(relative=True)
    with pytest.raises(DataError, match="size of the picture is not known"):
        one.clip()


def test_overlaps_are_those_of_pycocotools():
    # pycocotools 2.0.11, mask.iou(a, b, [0] * 4)
    a = Detections.from_coco(
        [[5.9, 55.1, 481.3, 708.9], [53.8, 624.9, 438.6, 70.2], [0, 0, 10, 10], [338.2, 693.8, 166.8, 55.8]]
    )
    b = Detections.from_coco([[10, 50, 400, 700], [300, 600, 200, 100.5], [2.5, 2.5, 10, 10], [600, 600, 5, 5]])
    wanted = [
        [0.80982755, 0.05493343, 0.0, 0.0],
        [0.08749684, 0.36129774, 0.0, 0.0],
        [0.0, 0.0, 0.39130435, 0.0],
        [0.01404285, 0.03827439, 0.0, 0.0],
    ]  # fmt: skip
    assert a.iou(b) == pytest.approx(np.array(wanted), abs=1e-8)
    assert Detections().iou(b).shape == (0, 4)
    assert Detections([(3, 3, 3, 9)]).iou(Detections([(3, 3, 3, 9)])).tolist() == [[0.0]]


@given(some(), some())
def test_overlap_is_symmetric_and_between_0_and_1(one, other):
    found = one.iou(other)
    assert np.array_equal(found, other.iou(one).T)
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()
    assert np.allclose(np.diag(one.iou(one)), one.area > 0)


@given(some(most=12), st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_suppression_keeps_the_best_and_nothing_that_overlaps_it(found, most):
    kept = found.nms(most)
    for name in set(found.labels):
        own, left = found.filter([name]), kept.filter([name])
        assert own.scores is not None
        assert left.scores is not None
        assert left.scores.max() == own.scores.max()
        assert left.boxes[0].tolist() == own.boxes[int(own.scores.argmax())].tolist()  # of equals the first
        overlap = left.iou(left)
        np.fill_diagonal(overlap, 0)
        assert (overlap <= most).all()
        assert ((own.iou(left) > most).any(axis=1) | [box in left.boxes.tolist() for box in own.boxes.tolist()]).all()
    assert kept == found.nms(most)
    assert kept.nms(most) == kept
    with pytest.raises(DataError, match="no scores, which non-maximum suppression needs"):
        Detections([(0, 0, 1, 1)]).nms()


def test_suppression_goes_by_label_and_score():
    boxes = [(0, 0, 10, 10), (1, 0, 11, 10), (0, 0, 10, 10), (50, 0, 60, 10)]
    found = Detections(boxes, ["a", "a", "b", "a"], [0.5, 0.9, 0.4, 0.5]).nms(0.5)
    assert found == Detections([boxes[1], boxes[3], boxes[2]], ["a", "a", "b"], [0.9, 0.5, 0.4])


def test_choosing_and_joining():
    found = Detections([(0, 0, 2, 2), (0, 0, 9, 9), (4, 4, 5, 5)], ["a", "b", "a"], [0.2, 0.8, 0.9], (10, 10))
    assert found.filter(["a"], score=0.5) == found.select([2])
    assert found.filter("b") == found.select(np.array([False, True, False])) == found.filter(area=50)
    assert Detections.concatenate([found.select([1, 0]), Detections(), found.select([2])]) == found.select([1, 0, 2])
    assert Detections.concatenate([]) == Detections()
    with pytest.raises(DataError, match="Some of the boxes have scores"):
        Detections.concatenate([found, Detections([(0, 0, 1, 1)])])
    with pytest.raises(DataError, match=r"pictures of \(10, 10\) and \(10, 20\)"):
        Detections.concatenate([found, Detections(size=(10, 20))])
    with pytest.raises(DataError, match="There is no box 3; there are 3"):
        found.select([3])
    with pytest.raises(DataError, match=r"A mask of \(2,\) for 3 boxes"):
        found.select(np.array([True, False]))
    assert found.clip((4, 5)).boxes.tolist() == [[0, 0, 2, 2], [0, 0, 5, 4], [4, 4, 5, 4]]
    assert Detections([(0, 0, 2, 4), (1, 0, 4, 4)]).mask((4, 4)).all()


@given(some(GRID), st.sampled_from([1, 2, -1, 0.5]), st.sampled_from([1, 4, -2]), GRID, GRID)
def test_moving_there_and_back_is_the_same(found, across, down, right, below):
    there = Affine.scaling(across, down).then(Affine.shift(right, below))
    assert found.moved(there).moved(there.inverse()) == found


@given(ordered(st.floats(-20, 120)), st.floats(-180, 180), st.floats(0.5, 2))
def test_the_visible_share_is_that_of_a_fine_grid(box, degrees, scale):
    turn = np.deg2rad(degrees)
    move = Affine(scale * np.cos(turn), -scale * np.sin(turn), 30, scale * np.sin(turn), scale * np.cos(turn), 20)
    hidden = ((10.0, 10.0, 60.0, 40.0), (40.0, 30.0, 90.0, 70.0))
    x, y = np.meshgrid((np.arange(200) + 0.5) / 200, (np.arange(200) + 0.5) / 200)
    points = np.stack([box[0] + x * (box[2] - box[0]), box[1] + y * (box[3] - box[1])], -1).reshape(-1, 2)
    if (box[2] - box[0]) * (box[3] - box[1]) < 1:
        return
    moved = move.points(points)
    seen = (moved >= 0).all(1) & (moved <= (100, 80)).all(1)
    for left, top, right, bottom in hidden:
        seen &= ~((moved >= (left, top)).all(1) & (moved <= (right, bottom)).all(1))
    found = Detections([box])
    changes = [move, *hidden]
    share = seen.mean()
    if share > 0.02:
        assert len(found.followed(changes, (80, 100), visible=max(0, share - 0.02))) == 1
    if share < 0.97:
        assert len(found.followed(changes, (80, 100), visible=min(1, share + 0.02))) == 0


def test_how_much_must_remain():
    found = Detections([(0, 0, 10, 10), (90, 0, 110, 10), (60, 5, 60, 9), (96, 0, 196, 10)], list("abcd"))
    assert found.moved(Affine(), (50, 100)).labels == ("a", "b", "d")
    assert found.moved(Affine(), (50, 100), visible=0.5).labels == ("a", "b")
    assert found.moved(Affine(), (50, 100), visible=0.51).labels == ("a",)
    assert found.moved(Affine()).labels == tuple("abcd")
    assert found.moved(Affine(), (50, 100)).boxes[1].tolist() == [90, 0, 100, 10]
    assert found.moved(Affine(), (50, 100)).size == (50, 100)
    with pytest.raises(ValueError, match="visible share is 2"):
        found.moved(Affine(), visible=2)


@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
@pytest.mark.parametrize("size", [(120, 90), (90, 200), (64, 64)])  # height, width
@pytest.mark.parametrize("seen", [(64, 48), (60, 40)])
def test_a_box_goes_where_the_picture_goes(fit, size, seen):
    plate = (64, 48)
    left, top, right, bottom = size[1] * 0.4, size[0] * 0.45, size[1] * 0.7, size[0] * 0.8
    pixels = np.zeros(size, np.uint8)
    pixels[round(top) : round(bottom), round(left) : round(right)] = 255
    shown = np.asarray(fit_picture(Image.fromarray(pixels), plate, fit))
    y, x = (plate[0] - seen[0]) // 2, (plate[1] - seen[1]) // 2
    shown = shown[y : y + seen[0], x : x + seen[1]]
    if fit == "pad":
        inside = np.asarray(fit_picture(Image.fromarray(np.zeros(size, np.uint8)), plate, fit))
        shown = np.where(inside[y : y + seen[0], x : x + seen[1]] > 0, 0, shown)  # the white border is no box
    box = (round(left), round(top), round(right), round(bottom))
    move = Framing(*plate, fit=fit).affine(size, seen=seen)
    [found] = Detections([box]).moved(move, seen).boxes
    rows, columns = np.nonzero(shown > 127)
    assert found[0] == pytest.approx(columns.min(), abs=1.1)
    assert found[1] == pytest.approx(rows.min(), abs=1.1)
    assert found[2] == pytest.approx(columns.max() + 1, abs=1.1)
    assert found[3] == pytest.approx(rows.max() + 1, abs=1.1)


def test_framing_moves_boxes_and_leaves_out_what_the_model_does_not_see():
    found = Detections([(0, 0, 10, 10), (40, 0, 160, 100)])  # of a picture 200 wide and 100 high; its centre is seen
    move = Framing(100, 100, "crop").affine((100, 200), seen=(100, 100))
    assert found.moved(move, (100, 100)).boxes.tolist() == [[0, 0, 100, 100]]


def test_polygons():
    square = cut_to(np.array([(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)]), (1.0, 2.0, 3.0, 4.0))
    assert sorted(square.tolist()) == [[1, 2], [1, 4], [3, 2], [3, 4]]
    assert len(common(square, square + 5)) == 0
    assert joint_area([square, square + np.array([1, 0]), square + np.array([0, 1])]) == pytest.approx(8)
