//! Tests of what is particular to this backend; the promises are tested by the suite.
