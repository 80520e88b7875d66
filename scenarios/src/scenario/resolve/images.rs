//! Which image of its memory each virtual machine has: of several, each has its own of every store that its regions
//! are in, and those of one store are one file on one device.

use std::ops::Range;

use models::base::ids::{StoreId, VmId};
use models::config::Region;

/// The image that one virtual machine has of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The place of the store in the file; none: an image on the swap device, of regions that name none.
    pub file: Option<usize>,
    pub vm: VmId,
    /// The name of the virtual machine and a colon, where there are several.
    pub prefix: String,
    /// The first image of the same store.
    pub shares: Option<StoreId>,
}

/// The images of the only virtual machine: regions have their numbers already.
pub(super) fn of_one(stores: usize, regions: &[Region]) -> Vec<Image> {
    let (vm, prefix, shares) = (VmId(0), String::new(), None);
    let image = |file| Image { file, vm, prefix: prefix.clone(), shares };
    let without = StoreId(stores as u16);
    let unnamed = regions.iter().any(|region| region.store == Some(without));
    (0..stores).map(Some).chain(unnamed.then_some(None)).map(image).collect()
}

/// The images of several, of which each has a name and some of the regions. These had numbers of stores.
pub(super) fn of_several(
    stores: usize,
    vms: &[(String, Range<usize>)],
    regions: &mut [Region],
) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    let mut numbers: Vec<(Range<usize>, usize, StoreId)> = Vec::new();
    for store in 0..=stores {
        let file = (store < stores).then_some(store);
        let is_in = |region: &Region| region.store == Some(StoreId(store as u16));
        let uses = |own: &Range<usize>| regions[own.clone()].iter().any(is_in);
        let mut users: Vec<usize> = (0..vms.len()).filter(|vm| uses(&vms[*vm].1)).collect();
        // One in which nothing is has its threads all the same.
        if users.is_empty() && file.is_some() {
            users.push(0);
        }
        let first = StoreId(images.len() as u16);
        for vm in users {
            let (name, own) = &vms[vm];
            let id = StoreId(images.len() as u16);
            let shares = (id != first && file.is_some()).then_some(first);
            let (vm, prefix) = (VmId(vm as u16), format!("{name}:"));
            images.push(Image { file, vm, prefix, shares });
            numbers.push((own.clone(), store, id));
        }
    }
    for (own, store, id) in numbers.into_iter().rev() {
        let before = Some(StoreId(store as u16));
        for region in regions[own].iter_mut().filter(|region| region.store == before) {
            region.store = Some(id);
        }
    }
    images
}
