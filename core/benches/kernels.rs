//! `cargo bench`: a row per instruction set. Each answer is checked before it is timed.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use govid_core::{Isa, Kernels, cosine, cosine_many, l2_normalize_rows};

/// The sizes of common face embeddings.
const DIMENSIONS: [usize; 2] = [128, 512];

/// Elements of a block that no cache holds: 256 MiB.
const BLOCK: usize = 1 << 26;

fn available() -> impl Iterator<Item = &'static Kernels> {
    Isa::ALL.into_iter().filter_map(|isa| isa.kernels().ok())
}

fn values(len: usize, seed: f32) -> Vec<f32> {
    (0..len).map(|i| ((i % 1_000_003) as f32).mul_add(0.37, seed).sin()).collect()
}

fn agree(mine: f64, specified: f64) {
    assert!((mine - specified).abs() < 1e-6, "{mine} is not {specified}");
}

fn one_to_one(criterion: &mut Criterion) {
    for dimensions in DIMENSIONS {
        let (a, b) = (values(dimensions, 0.5), values(dimensions, 1.5));
        let specified = cosine(scalar(), &a, &b).expect("good values");
        let mut group = criterion.benchmark_group(format!("cosine {dimensions}"));
        for kernels in available() {
            agree(cosine(kernels, &a, &b).expect("good values"), specified);
            group.bench_function(kernels.isa().name(), |bencher| {
                bencher.iter(|| cosine(kernels, black_box(&a), black_box(&b)));
            });
        }
        group.finish();
    }
}

fn one_to_many(criterion: &mut Criterion) {
    let block = values(BLOCK, 0.5);
    for dimensions in DIMENSIONS {
        let probe = values(dimensions, 1.5);
        let mut scores = vec![0.0; BLOCK / dimensions];
        let mut group = criterion.benchmark_group(format!("cosine_many {dimensions}, 256 MiB"));
        group.sample_size(10).throughput(Throughput::Bytes(BLOCK as u64 * 4));
        for kernels in available() {
            cosine_many(kernels, &probe, &block, &mut scores).expect("good values");
            for (row, score) in block.chunks_exact(dimensions).zip(&scores).step_by(997) {
                let specified = cosine(scalar(), &probe, row).expect("good values");
                agree((*score).into(), specified);
            }
            group.bench_function(kernels.isa().name(), |bencher| {
                bencher.iter(|| cosine_many(kernels, &probe, black_box(&block), &mut scores));
            });
        }
        group.finish();
    }

    // What the memory gives: the same block, read once with nothing but a sum of squares.
    let mut group = criterion.benchmark_group("plain read, 256 MiB");
    group.sample_size(10).throughput(Throughput::Bytes(BLOCK as u64 * 4));
    for kernels in available() {
        group.bench_function(kernels.isa().name(), |bencher| {
            bencher.iter(|| kernels.square_sum(black_box(&block)));
        });
    }
    group.finish();
}

fn normalize(criterion: &mut Criterion) {
    let mut block = values(BLOCK, 0.5);
    for dimensions in DIMENSIONS {
        let mut group = criterion.benchmark_group(format!("l2_normalize {dimensions}, 256 MiB"));
        group.sample_size(10).throughput(Throughput::Bytes(BLOCK as u64 * 4));
        for kernels in available() {
            l2_normalize_rows(kernels, &mut block, dimensions).expect("good values");
            for row in block.chunks_exact(dimensions).step_by(997) {
                agree(scalar().square_sum(row), 1.0);
            }
            group.bench_function(kernels.isa().name(), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..iterations {
                        // A unit row is left as it is: only a row to scale is work.
                        kernels.scale(&mut block, 3.0);
                        let start = Instant::now();
                        l2_normalize_rows(kernels, &mut block, dimensions).expect("good values");
                        spent += start.elapsed();
                    }
                    spent
                });
            });
        }
        group.finish();
    }

    // What the memory gives: the same block, read and written in place.
    let mut group = criterion.benchmark_group("plain scale, 256 MiB");
    group.sample_size(10).throughput(Throughput::Bytes(BLOCK as u64 * 4));
    for kernels in available() {
        group.bench_function(kernels.isa().name(), |bencher| {
            bencher.iter(|| kernels.scale(black_box(&mut block), -1.0));
        });
    }
    group.finish();
}

fn scalar() -> &'static Kernels {
    Isa::Scalar.kernels().expect("scalar is always there")
}

criterion_group!(benches, one_to_one, one_to_many, normalize);
criterion_main!(benches);
