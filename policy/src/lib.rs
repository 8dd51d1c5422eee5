//! Policy documents with CEL rules: signals and facts to a decision
