//! Validation against `queue-schema/`.

use serde_json::Value;
use std::{fs, path::Path};

/// Panics unless the value is valid by `queue-schema/NAME.schema.json`.
pub(crate) fn assert_valid(name: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("queue-schema").join(format!("{name}.schema.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let errors: Vec<String> = validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "not valid by {name}.schema.json: {errors:#?}\n{value:#}");
}
