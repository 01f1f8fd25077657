"""The section `Run record`: how the figures were made."""

import json

from liver_jax.report import wording
from liver_jax.report.markup import Markup, details, table, text


def show(metrics: dict) -> Markup:
    """Everything that says how the figures were made."""
    record = metrics["provenance"]
    rows: list[list[object]] = [
        ["Command", Markup(f"<code>{text(record.get('command'))}</code>")],
        ["Finished (UTC)", record.get("finished_utc")],
        ["Device", record.get("device")],
        ["Versions", ", ".join(f"{k} {v}" for k, v in record.get("versions", {}).items())],
        ["Schema of metrics.json", metrics.get("schema_version")],
    ]
    for item in record.get("manifests", []):
        kind = " (phantom)" if item.get("phantom") else ""
        code = f"<code>{text(item['path'])}</code>{kind}<br><code>{text(item['sha256'])}</code>"
        rows.append(["Manifest, SHA-256", Markup(code)])
    if record.get("predictions"):
        rows.append(["Masks from", Markup(f"<code>{text(record['predictions'])}</code>")])
    for model, network in (record.get("checkpoints") or {}).items():
        short = {key: value for key, value in network.items() if not isinstance(value, dict)}
        words = "<br>".join(
            f"{text(key)}: <code>{text(value)}</code>" for key, value in short.items()
        )
        rows.append([f"Checkpoint, {wording.model(model)}", Markup(words)])
    content = table(["What", "Value"], [row for row in rows if row[1]], 9)
    for model, network in (record.get("checkpoints") or {}).items():
        for key in ("config", "training"):
            if network.get(key):
                lines = json.dumps(network[key], indent=1, sort_keys=True, default=str)
                content += details(
                    f"{key.capitalize()}, {wording.model(model)}", f"<pre>{text(lines)}</pre>"
                )
    return Markup(content)
