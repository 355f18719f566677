//! CIFAR-10 in its binary version: which files it is, and where they can be had.

use crate::fetch::{Archive, Dataset, Wanted};

/// Bytes of each file: 10,000 records of a label and an image.
const BYTES: u64 = 10_000 * 3_073;

/// CIFAR-10: 50,000 images of 3 × 32 × 32 bytes for training and 10,000 for testing, each behind its label.
pub const CIFAR10: Dataset<'static> = Dataset {
    name: "cifar10",
    files: &[
        Wanted {
            name: "data_batch_1.bin",
            bytes: BYTES,
            sha256: "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        },
        Wanted {
            name: "data_batch_2.bin",
            bytes: BYTES,
            sha256: "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        },
        Wanted {
            name: "data_batch_3.bin",
            bytes: BYTES,
            sha256: "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        },
        Wanted {
            name: "data_batch_4.bin",
            bytes: BYTES,
            sha256: "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        },
        Wanted {
            name: "data_batch_5.bin",
            bytes: BYTES,
            sha256: "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        },
        Wanted {
            name: "test_batch.bin",
            bytes: BYTES,
            sha256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        },
    ],
    archive: Some(Archive {
        name: "cifar-10-binary.tar.gz",
        folder: "cifar-10-batches-bin",
        page: "https://www.cs.toronto.edu/~kriz/cifar.html",
    }),
    mirrors: &[
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    ],
};
