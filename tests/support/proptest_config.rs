//! How property tests run: what failed once is kept in a file beside the source, which ends in `.regressions`.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::FileFailurePersistence;

/// As many cases as usual.
pub(crate) fn usual() -> ProptestConfig {
    let beside = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { failure_persistence: Some(Box::new(beside)), ..ProptestConfig::default() }
}

/// So many cases.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..usual() }
}
