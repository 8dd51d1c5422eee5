//! The columns of the decision records. Names are stable; new columns go to the end.

use crate::document::Column;

const fn column(
    key: &'static str,
    label: &'static str,
    main: bool,
    meaning: &'static str,
) -> Column {
    Column {
        key,
        label,
        meaning,
        main,
    }
}

pub(super) const COLUMNS: [Column; 36] = [
    column(
        "index",
        "Index",
        true,
        "Position of the entry in the ledger, from 0.",
    ),
    column(
        "decided",
        "Decided",
        true,
        "When this side was decided (UTC).",
    ),
    column(
        "side",
        "Side",
        true,
        "input: what the caller sent; output: what the model answered.",
    ),
    column(
        "effect",
        "Decision",
        true,
        "The most severe effect among the rules that contributed.",
    ),
    column(
        "action",
        "Action",
        true,
        "What the gateway did; differs from the decision in observe mode and on faults.",
    ),
    column(
        "labels_present",
        "Labels present",
        true,
        "Labels whose score reached the threshold in force.",
    ),
    column(
        "not_evaluated",
        "Not evaluated",
        true,
        "Detectors that gave no answer, with the reason. Never a pass.",
    ),
    column(
        "model_served",
        "Model served",
        true,
        "The model that the response names.",
    ),
    column(
        "record",
        "Record",
        false,
        "Id of the record (UUID version 7).",
    ),
    column(
        "exchange",
        "Exchange",
        false,
        "Links the two sides of one request and response.",
    ),
    column(
        "recorded",
        "Recorded",
        false,
        "When the record was made (UTC).",
    ),
    column(
        "received",
        "Received",
        false,
        "When the request's head arrived (UTC).",
    ),
    column(
        "upstream_sent",
        "Sent upstream",
        false,
        "When the request left for the vendor (UTC).",
    ),
    column(
        "first_byte",
        "First byte",
        false,
        "When the response's first byte arrived (UTC).",
    ),
    column(
        "route",
        "Route",
        false,
        "Name of the configured route that matched.",
    ),
    column(
        "operation",
        "Operation",
        false,
        "HTTP method and path without query.",
    ),
    column("dialect", "Dialect", false, "API dialect spoken."),
    column(
        "vendor",
        "Vendor",
        false,
        "The API company, from the configuration.",
    ),
    column(
        "model_requested",
        "Model requested",
        false,
        "The model that the caller asked for.",
    ),
    column(
        "stream",
        "Stream",
        false,
        "Whether the response is a stream.",
    ),
    column(
        "principal",
        "Principal",
        false,
        "Commitment to the caller's credential; equal credentials give equal values within one ledger.",
    ),
    column(
        "policy",
        "Policy",
        false,
        "Policy id and the first 8 digits of its digest.",
    ),
    column(
        "policy_version",
        "Policy version",
        false,
        "The version that the policy document states.",
    ),
    column(
        "mode",
        "Mode",
        false,
        "enforce: the action follows the decision; observe: decisions are recorded only.",
    ),
    column(
        "rules",
        "Rules",
        false,
        "Rules that matched or could not be evaluated (errored), with the effect each asked for.",
    ),
    column(
        "labels_undetermined",
        "Labels undetermined",
        false,
        "Labels for which not all text could be evaluated.",
    ),
    column(
        "detectors",
        "Detectors",
        false,
        "Detectors with their versions.",
    ),
    column(
        "received_bytes",
        "Bytes received",
        false,
        "Body bytes as received, after decoding.",
    ),
    column(
        "scanned_bytes",
        "Bytes scanned",
        false,
        "Bytes of text given to detectors.",
    ),
    column(
        "unscanned",
        "Not readable",
        false,
        "Parts of the body that no detector can read.",
    ),
    column("status", "Status", false, "HTTP status sent to the caller."),
    column("finish", "Finish", false, "How this side ended."),
    column(
        "released_bytes",
        "Bytes released",
        false,
        "Body bytes released to the caller when the record was made.",
    ),
    column(
        "exposed_bytes",
        "Bytes exposed",
        false,
        "Body bytes released before the verdict that would have withheld them.",
    ),
    column(
        "tokens",
        "Tokens in / out",
        false,
        "Token usage as the vendor reported it.",
    ),
    column(
        "vendor_request_id",
        "Vendor request id",
        false,
        "The vendor's own id of the request.",
    ),
];
