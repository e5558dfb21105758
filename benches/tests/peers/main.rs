//! Other engines: what they are called, and, for those that are built in, that they do what the workloads need.

#[cfg(any(
    feature = "fjall",
    feature = "lmdb",
    feature = "redb",
    feature = "rocksdb",
    feature = "sqlite",
    feature = "surrealkv"
))]
mod checks;

use synod::Durability;
use synod_bench::peers::Peer;
use synod_bench::target::OpenOptions;

/// All that a peer has to show.
macro_rules! tests_of {
    ($module:ident, $feature:literal, $peer:expr) => {
        #[cfg(feature = $feature)]
        mod $module {
            use super::checks;
            use synod_bench::peers::Peer;

            const PEER: Peer = $peer;

            #[test]
            fn a_transaction_sees_its_own_writes_and_leaves_them() {
                checks::a_transaction_sees_its_own_writes_and_leaves_them(PEER);
            }

            #[test]
            fn scans_keep_to_their_bounds() {
                checks::scans_keep_to_their_bounds(PEER);
            }

            #[test]
            fn what_fails_leaves_nothing() {
                checks::what_fails_leaves_nothing(PEER);
            }

            #[test]
            fn a_transaction_that_only_reads_sees_one_state_and_may_not_write() {
                checks::a_transaction_that_only_reads_sees_one_state_and_may_not_write(PEER);
            }

            #[test]
            fn of_two_that_read_the_same_and_write_one_is_given_up() {
                checks::of_two_that_read_the_same_and_write_one_is_given_up(PEER);
            }

            #[test]
            fn no_increment_is_lost() {
                checks::no_increment_is_lost(PEER);
            }

            #[test]
            fn what_was_committed_is_there_when_it_is_opened_again() {
                checks::what_was_committed_is_there_when_it_is_opened_again(PEER);
            }

            #[test]
            fn the_rules_of_workloads_hold() {
                checks::the_rules_of_workloads_hold(PEER);
            }
        }
    };
}

tests_of!(rocksdb, "rocksdb", Peer::RocksDb);
tests_of!(rocksdb_optimistic, "rocksdb", Peer::RocksDbOptimistic);
tests_of!(redb, "redb", Peer::Redb);
tests_of!(fjall, "fjall", Peer::Fjall);
tests_of!(lmdb, "lmdb", Peer::Lmdb);
tests_of!(sqlite, "sqlite", Peer::Sqlite);
tests_of!(surrealkv, "surrealkv", Peer::SurrealKv);

#[test]
fn names_are_read_as_they_are_written() {
    for peer in Peer::ALL {
        assert_eq!(peer.to_string().parse(), Ok(peer));
    }
    let error = "leveldb".parse::<Peer>().unwrap_err();
    assert!(error.contains("\"leveldb\"") && error.contains("rocksdb-optimistic"), "{error}");
}

#[test]
fn what_is_not_built_in_says_how_to_build_it() {
    let directory = tempfile::tempdir().unwrap();
    for peer in Peer::ALL.into_iter().filter(|peer| !peer.is_built()) {
        let directory = directory.path().join(peer.name());
        let options = OpenOptions {
            in_flight: 1,
            directory: directory.clone(),
            tables: vec!["table"],
            durability: Durability::Sync,
            threads: 1,
        };
        let error = peer.open(&options).err().expect("it isn't there").to_string();
        assert!(error.contains(&format!("--features {}", peer.feature())), "{error}");
        assert!(!directory.exists(), "{peer}");
    }
}

#[test]
fn versions_are_those_of_the_lock_file() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    for (name, version) in Peer::ALL.map(Peer::package) {
        let wanted = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&wanted), "Cargo.lock has another version of {name} than {version}");
    }
}
