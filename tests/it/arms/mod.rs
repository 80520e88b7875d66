//! What logs of real kernels show, asked of a simulated run as well: both arms are text as tracefs prints it, read
//! by one reader and measured by one function. A fact holds in both within the same bounds, or says how far the
//! simulation is off and why. `docs/recorded-logs.md` has the table.

mod compressed;
mod fact;
mod measure;
mod swap;
mod trace;
mod two_vms;
mod userfault;

use fact::{Fact, Side};

const ROOMS: [&[Fact]; 4] = [swap::FACTS, userfault::FACTS, compressed::FACTS, two_vms::FACTS];

const BEGIN: &str = "<!-- facts of logs: begin -->\n";
const END: &str = "<!-- facts of logs: end -->";

/// The table of the page is that of the facts. `UPDATE_FACTS=1` writes it.
#[test]
fn the_page_has_the_table_of_facts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recorded-logs.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let mut made =
        String::from("| fact | bounds | recorded | simulated |\n| --- | --- | ---: | ---: |\n");
    for fact in ROOMS.into_iter().flatten() {
        made.push_str(&fact.row());
    }
    let misses = ROOMS.into_iter().flatten().filter_map(Fact::difference);
    made.push_str("\nWhere the bounds of the simulation are others:\n\n");
    made.extend(misses);
    if std::env::var_os("UPDATE_FACTS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(table, made, "UPDATE_FACTS=1 writes it");
}

/// Every fact has an arm of each kind, or says which one is missing and why.
#[test]
fn facts_have_both_arms_or_say_why_not() {
    for fact in ROOMS.into_iter().flatten() {
        let both = matches!(fact.recorded, Side::Of(_)) && matches!(fact.simulated, Side::Of(_));
        let missing =
            matches!(fact.recorded, Side::None(_)) ^ matches!(fact.simulated, Side::None(_));
        assert!(both || missing, "{}", fact.what);
    }
}
