"""The REST API: both formats, status, metadata, and the code and text of every error."""

from __future__ import annotations

import gzip
import json
import math
import re
import urllib.error
import urllib.request
from typing import Any

import pytest

from serving.api.rest import MOST_BODY_BYTES
from tests.serving.support import Running

pytestmark = pytest.mark.slow

NUMBERS = "/v1/models/numbers"


def predict(server: Running, body: Any, path: str = f"{NUMBERS}:predict") -> tuple[int, Any]:
    status, text = server.rest("POST", path, body)
    return status, json.loads(text)


def test_rows_with_several_inputs_and_outputs(numbers_server: Running) -> None:
    body = {"instances": [{"a": [1, 2], "b": [0.5, 1]}, {"a": [3, 4], "b": [0, 0]}]}
    assert predict(numbers_server, body) == (
        200,
        {
            "predictions": [
                {"difference": [0.5, 1.0], "sum": [1.5, 3.0]},
                {"difference": [3.0, 4.0], "sum": [3.0, 4.0]},
            ]
        },
    )


def test_columns_with_several_inputs_and_outputs(numbers_server: Running) -> None:
    body = {"inputs": {"a": [[1, 2]], "b": [[3, 4]]}}
    assert predict(numbers_server, body) == (200, {"outputs": {"difference": [[-2.0, -2.0]], "sum": [[4.0, 6.0]]}})


def test_a_sole_input_and_a_sole_output_need_no_name(numbers_server: Running) -> None:
    body: dict[str, Any]
    for instances in ([4, 8], [{"x": 4}, {"x": 8}]):
        body = {"signature_name": "reciprocal", "instances": instances}
        assert predict(numbers_server, body) == (200, {"predictions": [0.25, 0.125]})
    for inputs in ([4, 8], {"x": [4, 8]}):
        body = {"signature_name": "reciprocal", "inputs": inputs}
        assert predict(numbers_server, body) == (200, {"outputs": [0.25, 0.125]})


def test_text_of_any_script(text_server: Running) -> None:
    path = "/v1/models/rnnsearch/versions/1:predict"
    answer = predict(text_server, {"instances": ["l'été", '"\\\n']}, path)
    assert answer == (
        200,
        {
            "predictions": [
                {"score": 7.0, "translation": "one:l'été"},
                {"score": 3.0, "translation": 'one:"\\\n'},
            ]
        },
    )


def test_floats_read_back_the_same_and_whole_ones_keep_their_point(numbers_server: Running) -> None:
    _, text = numbers_server.rest(
        "POST", f"{NUMBERS}:predict", {"signature_name": "reciprocal", "instances": [0.5, 3, 1e-10, -5]}
    )
    assert "[2.0, 0.333333343, 1e+10, -0.2]" in text


def test_nan_and_infinity_are_bare_tokens(numbers_server: Running) -> None:
    body = '{"signature_name": "reciprocal", "inputs": [NaN, Infinity, -Infinity, 0]}'
    status, text = numbers_server.rest("POST", f"{NUMBERS}:predict", body)
    assert status == 200
    assert "[NaN, NaN, NaN, NaN]" in text
    infinite = {"inputs": {"a": [[math.inf, -math.inf]], "b": [[1, 1]]}}
    _, text = numbers_server.rest("POST", f"{NUMBERS}:predict", infinite)
    assert "[[Infinity, -Infinity]]" in text


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ('{"signature_name": "reciprocal", "inputs": [Inf, -Inf, -NaN, 2]}', "[NaN, NaN, NaN, 0.5]"),
        ('{"signature_name": "blob", "inputs": ["Inf", "-NaN", "\\"Inf"], "n": Inf}', "SW5m, LU5hTg==, Iklu"),
        ('\ufeff {"signature_name": "reciprocal", "inputs": [2]} and more', "[0.5]"),
        (
            '{"signature_name": "reciprocal", "n": ' + '[{"a": ' * 9999 + "7" + "}]" * 9999 + ', "inputs": [2]}',
            "[0.5]",
        ),
        ('{"signature_name": "reciprocal", "signature_name": "x", "inputs": [2], "inputs": "x"}', "[0.5]"),
        ('{"signature_name": "reciprocal", "instances": [{"x": 2, "x": 4}]}', "[0.5]"),
        (
            '{"signature_name": "blob", "inputs": [{"b64": "AP\\n 8="}, {"b64": "AP8"}, {"b64": "AP8."}]}',
            "AP8=, AP8=, AP8=",
        ),
    ],
    ids=["Inf", "Inf in text", "BOM", "deep", "twice", "twice in an instance", "base64"],
)
def test_json_is_read_as_rapidjson_does(numbers_server: Running, body: str, answer: str) -> None:
    status, text = numbers_server.rest("POST", f"{NUMBERS}:predict", body)
    assert status == 200, text
    assert answer in re.sub(r'\{\s*"b64": "([^"]*)"\s*\}', r"\1", re.sub(r"\s+", " ", text))


def test_bodies_may_be_compressed(text_server: Running) -> None:
    def answered(body: bytes, encoding: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{text_server.rest_port}/v1/models/rnnsearch:predict"
        request = urllib.request.Request(url, body, {"Content-Encoding": encoding})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    packed = gzip.compress(b'{"instances": ["packed"]}')
    for encoding in ("gzip", "x-gzip"):
        status, text = answered(packed, encoding)
        assert (status, "one:packed" in text) == (200, True)
    for damaged in (b"no gzip", packed[:-4]):
        assert answered(damaged, "gzip") == (400, '{\n    "error": "JSON Parse error: The document is empty"\n}')
    status, text = answered(gzip.compress(bytes(MOST_BODY_BYTES + 1)), "gzip")
    assert (status, "is larger than" in text) == (400, True)


def test_binary_values_are_base64_both_ways(numbers_server: Running) -> None:
    body = {"signature_name": "blob", "instances": [{"b64": "AP8="}, "text"]}
    assert predict(numbers_server, body) == (200, {"predictions": [{"b64": "AP8="}, {"b64": "dGV4dA=="}]})


def test_status(text_server: Running) -> None:
    one = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/rnnsearch", "/v1/models/rnnsearch/versions/1"):
        status, text = text_server.rest("GET", path)
        assert (status, json.loads(text)) == (200, {"model_version_status": [one]})


def test_metadata(text_server: Running) -> None:
    status, text = text_server.rest("GET", "/v1/models/rnnsearch/metadata")
    metadata = json.loads(text)
    assert status == 200
    assert metadata["model_spec"] == {"name": "rnnsearch", "signature_name": "", "version": "1"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["text"]["dtype"] == "DT_STRING"
    assert signature["inputs"]["text"]["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert set(signature["outputs"]) == {"translation", "score"}
    assert signature["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/models/x:predict", 404, "Servable not found for request: Latest(x)"),
        ("POST", f"{NUMBERS}/versions/9:predict", 404, "Servable not found for request: Specific(numbers, 9)"),
        ("POST", f"{NUMBERS}/labels/canary:predict", 400, "Unrecognized servable version label: canary"),
        ("POST", f"{NUMBERS}:translate", 400, f"Malformed request: POST {NUMBERS}:translate"),
        ("POST", NUMBERS, 400, f"Malformed request: POST {NUMBERS}"),
        ("GET", "/v1/elsewhere", 400, "Malformed request: GET /v1/elsewhere"),
        ("PUT", NUMBERS, 400, f"Malformed request: PUT {NUMBERS}"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("POST", "/v1/models", 400, "Malformed request: POST /v1/models"),
        ("POST", f"{NUMBERS}:PREDICT", 400, f"Malformed request: POST {NUMBERS}:PREDICT"),
        ("POST", f"{NUMBERS}:predict?x=1", 400, f"Malformed request: POST {NUMBERS}:predict?x=1"),
        ("GET", f"{NUMBERS}?x=1", 404, "Could not find any versions of model numbers?x=1"),
        ("GET", "/v1/models/a%2Fb%3A%C3%A9%25", 404, "Could not find any versions of model a/b:é%"),
        ("POST", f"{NUMBERS}/labels/a%3Ab%2Fc:predict", 400, "Unrecognized servable version label: a:b/c"),
        ("GET", "/v1/models/x", 404, "Could not find any versions of model x"),
        ("GET", f"{NUMBERS}/versions/9", 404, "Could not find version 9 of model numbers"),
        ("GET", "/v1/models/x/metadata", 404, "Servable not found for request: Latest(x)"),
        (
            "GET",
            f"{NUMBERS}/versions/99999999999999999999",
            400,
            "Failed to convert version: 99999999999999999999 to numeric.",
        ),
    ],
)
def test_wrong_address(numbers_server: Running, method: str, path: str, status: int, message: str) -> None:
    body = {"instances": [1]} if method == "POST" else None
    answered, text = numbers_server.rest(method, path, body)
    assert (answered, json.loads(text)) == (status, {"error": message})


def test_paths_outside_the_api_are_not_found(numbers_server: Running) -> None:
    assert numbers_server.rest("GET", "/v2/models/numbers")[0] == 404


def test_methods_that_are_not_implemented_say_so(numbers_server: Running) -> None:
    status, answer = predict(numbers_server, {"examples": []}, f"{NUMBERS}:classify")
    assert status == 501
    assert answer["error"].startswith("Classify is not implemented")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("{", "JSON Parse error: "),
        ("nonsense", "JSON Parse error: Invalid value. at offset: 0"),
        ("[" * 100_000, "JSON Parse error: Invalid value. at offset: 100000"),
        ("[" * 1_000_001, "JSON Parse error: the lists are nested too deep"),
        ('{"signature_name": ' + "[" * 200_000 + "]" * 200_000 + "}", "'signature_name' key must be a string value."),
        ('{"a": ' + "[" * 200_000 + "]" * 199_999 + ', "b"', "JSON Parse error: Missing a comma or ] after an array"),
        ('{"a": 1e999, "signature_name": "reciprocal", "inputs": [1]}', "Number too big to be stored in double."),
        ('{"signature_name": "reciprocal", "inputs": [Info]}', "JSON Parse error: Invalid value."),
        ('{"signature_name": "reciprocal", "inputs": ' + "[" * 300 + "]" * 300 + "}", "tensor parsing error: x"),
        ('{"signature_name": "\\ud800", "inputs": 1}', 'Serving signature name: "?" not found in signature def'),
        ('{"signature_name": "blob", "inputs": ["\\ud800"]}', "The surrogate pair in string is invalid."),
        ('{"signature_name": "reciprocal", "inputs": ["\\ud800"]}', 'JSON Value: "?" Type: String is not of expected'),
        ("[1]", "JSON Value: [1] Is not object"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"signature_name": 1, "instances": [1]}, "'signature_name' key must be a string value."),
        ({"signature_name": "x", "instances": [1]}, 'Serving signature name: "x" not found in signature def'),
        ({"inputs": [1], "instances": [1]}, "expecting only one of 'inputs' or 'instances' keys to exist"),
        ({"instances": 1}, "Expecting 'instances' to be an list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": [1]}, "instances is a plain list, but expecting list of objects as multiple input tensors"),
        ({"inputs": [1]}, "inputs is a plain value/list, but expecting an object as multiple input tensors"),
        ({"inputs": {"a": [[1, 2]]}}, "Missing named input: b in 'inputs' object."),
        (
            {"instances": [{"a": [1, 2], "c": 1}]},
            "Failed to process element: 0 key: c of 'instances' list. "
            "Error: INVALID_ARGUMENT: JSON object: does not have named input: c",
        ),
        ({"instances": [{"a": [1, 2]}]}, "keys must be equal to: a,b"),
        (
            {"instances": [{"a": [1, 2], "b": [1, 2]}, {"a": [1, 2], "b": [1]}]},
            "Failed to process element: 1 key: b of 'instances' list. "
            "Error: INVALID_ARGUMENT: Expecting tensor size: 2 but got: 1",
        ),
        ({"instances": [{"a": [1, 2], "b": [1, 2]}, 3]}, "Expecting object but got list at item 1 of input list"),
        ({"signature_name": "reciprocal", "instances": [1, {"x": 1}]}, "Expecting value/list but got object at item 1"),
        (
            {"signature_name": "reciprocal", "instances": ["one"]},
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            'JSON Value: "one" Type: String is not of expected type: float',
        ),
        ({"signature_name": "reciprocal", "inputs": [1, None]}, "JSON Value: null Type: Null is not of expected type"),
        ({"signature_name": "reciprocal", "inputs": [True]}, "JSON Value: true Type: True is not of expected type"),
        (
            {"signature_name": "fail", "inputs": [1.5]},
            "JSON Value: 1.5 Type: Number is not of expected type: int64",
        ),
        (
            {"signature_name": "reciprocal", "inputs": [[1], [1, 2]]},
            "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        ({"signature_name": "reciprocal", "inputs": [1, [2]]}, "Encountered list at unexpected level: 1 expected < 1"),
        (
            {"signature_name": "reciprocal", "inputs": [[1], 2]},
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        ({"signature_name": "blob", "inputs": {"data": [{"b64": "@"}]}}, "Unable to base64 decode"),
        ({"signature_name": "blob", "inputs": {"data": [{"b64": "AA="}]}}, "Unable to base64 decode"),
        ('{"signature_name": "blob", "instances": [{"b64": "AA", "b64": "AA"}]}', "does not have named input: b64"),
        ({"signature_name": "blob", "inputs": {"data": [{"c": 1}]}}, "not formatted correctly for base64 data"),
    ],
)
def test_wrong_body(numbers_server: Running, body: Any, message: str) -> None:
    status, answer = predict(numbers_server, body)
    assert status == 400
    assert message in answer["error"]


def test_outputs_that_are_no_batch_have_no_rows(numbers_server: Running) -> None:
    body = {"signature_name": "total", "instances": [1, 2]}
    assert predict(numbers_server, body) == (400, {"error": "Tensor name: total has no shape information "})
    assert predict(numbers_server, {"signature_name": "total", "inputs": [1, 2]}) == (200, {"outputs": 3.0})
    body = {"signature_name": "uneven", "instances": [1, 2]}
    message = "Tensor name: first has inconsistent batch size: 1 expecting: 2"
    assert predict(numbers_server, body) == (400, {"error": message})


def test_a_request_that_takes_too_long_is_ended(numbers_server: Running) -> None:
    status, answer = predict(numbers_server, {"signature_name": "slow", "inputs": 2**31 - 1})
    assert (status, answer) == (504, {"error": "Timed out waiting for notification"})
