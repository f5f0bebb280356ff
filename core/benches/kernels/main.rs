//! `cargo bench`: a row per instruction set. Each answer is checked before it is timed.

#![allow(missing_docs, reason = "criterion's macros make public items")]

mod peak;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use govid_core::{
    Isa, Kernels, Nearest, above_int8, cosine, cosine_block, cosine_block_int8, cosine_many,
    cosine_many_int8, l2_normalize_rows, nearest, nearest_int8, quantize_rows,
};

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

/// Int8, of the same memory as in f32: four times the rows.
fn one_to_many_int8(criterion: &mut Criterion) {
    let block: Vec<i8> = (0..BLOCK * 4)
        .map(|i| (i % 1_000_003 * 7 % 255) as i16 - 127)
        .map(|code| code as i8)
        .collect();
    for dimensions in DIMENSIONS {
        let probe = codes(&values(dimensions, 1.5), dimensions);
        let mut scores = vec![0.0; block.len() / dimensions];
        let mut group =
            criterion.benchmark_group(format!("cosine_many_int8 {dimensions}, 256 MiB"));
        group.sample_size(10).throughput(Throughput::Bytes(block.len() as u64));
        for kernels in available() {
            cosine_many_int8(kernels, &probe, &block, &mut scores).expect("good codes");
            for (row, score) in block.chunks_exact(dimensions).zip(&scores).step_by(997) {
                let mut specified = [0.0];
                cosine_many_int8(scalar(), &probe, row, &mut specified).expect("good codes");
                agree((*score).into(), specified[0].into());
            }
            group.bench_function(kernels.isa().name(), |bencher| {
                bencher.iter(|| cosine_many_int8(kernels, &probe, black_box(&block), &mut scores));
            });
        }
        group.finish();
    }
}

/// `PROBES` against 8,192 references; an element is one multiplication and one addition.
fn many_to_many(criterion: &mut Criterion) {
    const PROBES: usize = 64;
    const REFERENCES: usize = 8192;
    for dimensions in DIMENSIONS {
        let (probes, references) =
            (values(PROBES * dimensions, 1.5), values(REFERENCES * dimensions, 0.5));
        let (probe_codes, reference_codes) =
            (codes(&probes, dimensions), codes(&references, dimensions));
        let mut scores = vec![0.0; PROBES * REFERENCES];
        let throughput = Throughput::Elements((scores.len() * dimensions) as u64);

        let mut group = criterion.benchmark_group(format!("cosine_block {dimensions}, 64 x 8192"));
        group.sample_size(10).throughput(throughput.clone());
        for kernels in available() {
            cosine_block(kernels, dimensions, &probes, &references, &mut scores).expect("good");
            for pair in (0..scores.len()).step_by(997) {
                let probe = &probes[pair / REFERENCES * dimensions..][..dimensions];
                let reference = &references[pair % REFERENCES * dimensions..][..dimensions];
                let specified = cosine(scalar(), probe, reference).expect("good values");
                agree(scores[pair].into(), specified);
            }
            group.bench_function(kernels.isa().name(), |bencher| {
                bencher.iter(|| {
                    let references = black_box(&references);
                    cosine_block(kernels, dimensions, &probes, references, &mut scores)
                });
            });
        }
        group.finish();

        let mut group =
            criterion.benchmark_group(format!("cosine_block_int8 {dimensions}, 64 x 8192"));
        group.sample_size(10).throughput(throughput);
        let (probes, references) = (probe_codes, reference_codes);
        for kernels in available() {
            cosine_block_int8(kernels, dimensions, &probes, &references, &mut scores)
                .expect("good codes");
            let mut specified = vec![0.0; REFERENCES];
            cosine_many_int8(scalar(), &probes[..dimensions], &references, &mut specified)
                .expect("good codes");
            assert_eq!(scores[..REFERENCES], specified);
            group.bench_function(kernels.isa().name(), |bencher| {
                bencher.iter(|| {
                    let references = black_box(&references);
                    cosine_block_int8(kernels, dimensions, &probes, references, &mut scores)
                });
            });
        }
        group.finish();
    }
}

/// Templates of profile `fast`, a norm beside 128 dimensions; an element is a pair.
fn search(criterion: &mut Criterion) {
    const DIMENSIONS: usize = 129;
    const REFERENCES: usize = 1 << 18;
    const K: usize = 10;
    let references = values(REFERENCES * DIMENSIONS, 0.5);
    let reference_codes = codes(&references, DIMENSIONS);
    for count in [1, 64] {
        let probes = values(count * DIMENSIONS, 1.5);
        let probe_codes = codes(&probes, DIMENSIONS);
        let (mut rows, mut scores) = (vec![0; count * K], vec![0.0; count * K]);
        let name = format!("search {DIMENSIONS}, {count} x {REFERENCES}");
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10).throughput(Throughput::Elements((count * REFERENCES) as u64));
        // Scalar takes seconds, and says nothing.
        for kernels in available().filter(|kernels| kernels.isa() != Isa::Scalar) {
            let name = kernels.isa().name();
            let out = Nearest { rows: &mut rows, scores: &mut scores };
            nearest(kernels, DIMENSIONS, &probes, &references, K, -1.0, out).expect("good values");
            let mut best = vec![0.0; REFERENCES];
            cosine_block(kernels, DIMENSIONS, &probes[..DIMENSIONS], &references, &mut best)
                .expect("good values");
            best.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(scores[..K], best[..K]);
            let least = f64::from(scores[K - 1]);
            group.bench_function(format!("nearest, {name}"), |bencher| {
                bencher.iter(|| {
                    let (references, out) =
                        (black_box(&references), Nearest { rows: &mut rows, scores: &mut scores });
                    nearest(kernels, DIMENSIONS, &probes, references, K, -1.0, out)
                });
            });
            group.bench_function(format!("nearest_int8, {name}"), |bencher| {
                bencher.iter(|| {
                    let references = black_box(&reference_codes);
                    let out = Nearest { rows: &mut rows, scores: &mut scores };
                    nearest_int8(kernels, DIMENSIONS, &probe_codes, references, K, -1.0, out)
                });
            });
            group.bench_function(format!("above_int8, {name}"), |bencher| {
                bencher.iter(|| {
                    let references = black_box(&reference_codes);
                    let limit = count * REFERENCES;
                    above_int8(kernels, DIMENSIONS, &probe_codes, references, least, limit)
                });
            });
        }
        group.finish();
    }
}

fn codes(values: &[f32], dimensions: usize) -> Vec<i8> {
    let mut codes = vec![0; values.len()];
    quantize_rows(values, dimensions, &mut codes).expect("good values");
    codes
}

/// What the processor gives: multiplications and additions on registers alone.
fn peak(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peak FMA, f32");
    group.throughput(Throughput::Elements(peak::PRODUCTS));
    for (name, run) in peak::available() {
        group.bench_function(name, |bencher| bencher.iter(|| run(black_box(0.5))));
    }
    group.finish();
    let mut group = criterion.benchmark_group("peak VNNI, int8");
    group.throughput(Throughput::Elements(peak::INT8_PRODUCTS));
    for (name, run) in peak::available_int8() {
        group.bench_function(name, |bencher| bencher.iter(|| run(black_box(5))));
    }
    group.finish();
}

fn quantize(criterion: &mut Criterion) {
    let block = values(BLOCK, 0.5);
    let mut codes = vec![0; BLOCK];
    let mut group = criterion.benchmark_group("quantize_rows 512, 256 MiB");
    group.sample_size(10).throughput(Throughput::Bytes(BLOCK as u64 * 4));
    group.bench_function("any", |bencher| {
        bencher.iter(|| quantize_rows(black_box(&block), 512, &mut codes));
    });
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

criterion_group!(
    benches,
    one_to_one,
    one_to_many,
    one_to_many_int8,
    peak,
    many_to_many,
    search,
    quantize,
    normalize
);
criterion_main!(benches);
