"""What answers: models, the one worker that all visitors share, and the processes that read their pictures.

May import: anything below `web`: `workflows`, `explanation`, `models`, `metrics`, `pictures`, `registry`, `errors`.
Public: `engines.open_engine`, `desk`, `decoding`, `review`.

- `engines`: what a model is to this room, with torch (`torch_engine`) or without (`onnx_engine`)
- `decoding`, `decoder`: reading pictures in processes that may die
- `batching`: pictures of all visitors together through the model
- `desk`: the models by name, and what is asked of them
- `review`: what a person should look at next
"""
