"""A recipe is the whole experiment in one validated file."""

import pytest
import yaml

from kunstkammer.errors import RecipeError, UnknownNameError
from kunstkammer.registry import names
from kunstkammer.training.recipe import Recipe, parse_settings


@pytest.mark.parametrize("name", names("recipes"))
def test_every_built_in_recipe_is_valid_and_survives_its_own_yaml(name, tmp_path):
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.description
    assert recipe.source
    file = tmp_path / "again.yaml"
    file.write_text(recipe.to_yaml(), encoding="utf-8")
    assert Recipe.load(file) == recipe


def test_the_published_settings_of_system_c():
    recipe = Recipe.load("anime-cartoon")
    assert (recipe.picture.size, recipe.picture.channels, recipe.data.split.test) == (120, "grey", 0.25)
    training = recipe.training
    assert (training.epochs, training.batch_size) == (60, 32)
    optimizer = training.optimizer
    assert (optimizer.name, optimizer.learning_rate, optimizer.momentum) == ("sgd", 0.001, 0.9)
    assert {spec["name"] for spec in recipe.augmentation} == {"rotation", "zoom", "shift"}


def test_the_published_settings_of_system_a():
    recipe = Recipe.load("comic-manga")
    training = recipe.training
    assert (training.optimizer.name, recipe.learning.loss, training.batch_size) == ("adam", "cross-entropy", 32)


def test_the_published_settings_of_system_b():
    baseline, augmented = Recipe.load("emotion-baseline"), Recipe.load("emotion-augmented")
    settings = baseline.training
    assert (settings.batch_size, settings.epochs, baseline.learning.loss) == (124, 40, "bce")
    assert (settings.optimizer.name, settings.optimizer.learning_rate) == ("sgd", 0.01)
    assert (baseline.learning.sampling, baseline.data.split.train, baseline.model.dropout) == ("fixed", 0.8, 0.5)
    settings = augmented.training
    assert (settings.batch_size, settings.epochs, augmented.learning.loss) == (32, 40, "bce")
    assert (settings.optimizer.name, settings.optimizer.learning_rate) == ("adam", 0.001)
    assert (augmented.learning.sampling, augmented.data.split.train, augmented.model.dropout) == ("shuffled", 0.9, 0.5)
    names_of = [spec["name"] for spec in augmented.augmentation]
    assert names_of == ["color-jitter", "vertical-flip", "rotation", "crop", "erasing"]
    assert augmented.augmentation[0]["brightness"] == [0.8, 1.2]
    assert augmented.augmentation[2]["degrees"] == 45


def test_cartoonified_differs_from_the_improved_recipe_in_the_preparation_only():
    one, two = (Recipe.load(name).model_dump() for name in ("emotion-augmented", "emotion-cartoonified"))
    assert [spec["name"] for spec in two["picture"].pop("preparation")] == ["cartoonify"]
    assert one["picture"].pop("preparation") == []
    assert all(one[key] == two[key] for key in ("data", "picture", "augmentation", "model", "learning", "training"))


def test_equal_updates_differ_from_the_improved_recipe_in_nothing_else():
    one, two = (Recipe.load(name).model_dump() for name in ("emotion-augmented", "emotion-balanced"))
    assert two["learning"].pop("sampling") == "balanced"
    one["learning"].pop("sampling")
    assert all(one[key] == two[key] for key in ("data", "picture", "augmentation", "model", "learning", "training"))


def test_recipes_of_earlier_versions_keep_what_stood_under_training():
    old = {
        "name": "old",
        "training": {"epochs": 3, "loss": "focal", "loss_options": {"gamma": 1}, "sampling": "balanced"},
    }
    recipe = Recipe.load(old, {"training.class_weights": "balanced"})
    assert (recipe.learning.loss, recipe.learning.sampling, recipe.learning.class_weights) == (
        "focal", "balanced", "balanced"
    )  # fmt: skip
    assert recipe.training.epochs == 3
    assert Recipe.load(recipe) == recipe
    assert Recipe.load({"name": "short", "learning": {"loss": "bce"}}).learning.loss == "bce"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning.kind": "contrastiv"}, "'learning.kind' is 'contrastiv'. Did you mean 'contrastive'"),
        ({"learning.sampeling": "fixed"}, "unknown key 'learning.sampeling'. Did you mean 'sampling'"),
        ({"learning": {"kind": "contrastive", "los": 1}}, "unknown key 'learning.los'. Did you mean 'loss'"),
        ({"training.metric": "acuracy"}, "'training.metric' is 'acuracy': classification has no such figure. Did you"),
        ({"learning": {"kind": "contrastive"}, "training.metric": "accuracy"}, "contrastive has no such figure"),
    ],
)
def test_the_section_of_a_kind_is_checked_by_its_kind(settings, message):
    with pytest.raises(RecipeError, match=message):
        Recipe.load("demo", settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training.loss": "focal", "training.loss_options": {"gama": 1}}, "no option 'gama'. Did you mean 'gamma'"),
        ({"training.epoch": 3}, "unknown key 'training.epoch'. Did you mean 'epochs'?"),
        ({"trainin.epochs": 3}, "unknown key 'trainin'. Did you mean 'training'?"),
        ({"training.optimizer.lr": 3}, "unknown key 'training.optimizer.lr'"),
        ({"training.epochs": "many"}, "'training.epochs' is 'many'"),
        ({"training.epochs": 0}, "'training.epochs' is 0"),
        ({"picture.channels": "gray"}, "'picture.channels' is 'gray'"),
        ({"training.early_stopping.patiense": 3}, "Did you mean 'patience'?"),
        ({"augmentation": [{"degrees": 3}]}, "needs a name"),
        ({"augmentation": [{"name": "rotation", "degree": 3}]}, "Did you mean 'degrees'?"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_the_nearest_guess_on_one_line(settings, message):
    with pytest.raises(RecipeError) as caught:
        Recipe.load("comic-manga", settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training.loss": "cross-entropie"}, "Did you mean 'cross-entropy'?"),
        ({"augmentation": [{"name": "rotate"}]}, "Did you mean 'rotation'?"),
    ],
)
def test_an_unknown_member_of_a_registry_is_named(settings, message):
    with pytest.raises(UnknownNameError, match=message.replace("?", r"\?")):
        Recipe.load("comic-manga", settings)


def test_a_misspelt_recipe_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'comic-manga'"):
        Recipe.load("comic-mange")


def test_files_that_are_no_recipe(tmp_path):
    file = tmp_path / "mine.yaml"
    with pytest.raises(RecipeError, match="no recipe file"):
        Recipe.load(file)
    file.write_text("a: [")
    with pytest.raises(RecipeError, match="is not YAML"):
        Recipe.load(file)
    file.write_text("- 1\n- 2\n")
    with pytest.raises(RecipeError, match="not a recipe"):
        Recipe.load(file)


def test_a_file_needs_to_say_only_what_differs_from_the_defaults(tmp_path):
    file = tmp_path / "short.yaml"
    file.write_text(yaml.safe_dump({"training": {"epochs": 2}}))
    recipe = Recipe.load(file)
    assert (recipe.name, recipe.training.epochs, recipe.training.batch_size) == ("short", 2, 32)


def test_set_takes_yaml_values():
    assert parse_settings(["a.b=1e-3", "c=null", "d=[x, y]", "e=a=b"]) == {
        "a.b": "1e-3",
        "c": None,
        "d": ["x", "y"],
        "e": "a=b",
    }
    recipe = Recipe.load("comic-manga", parse_settings(["training.optimizer.learning_rate=1e-3", "picture.size=64"]))
    assert recipe.training.optimizer.learning_rate == 0.001
    for wrong in ("epochs", "=3"):
        with pytest.raises(RecipeError, match="KEY=VALUE"):
            parse_settings([wrong])
