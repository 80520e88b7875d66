//! Parquet: runs for data frames, typed, beside `runs.csv`.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::format::{File, Format};
use crate::page::Grid;
use crate::report::Report;

/// The table that data frames are made of.
const RUNS: &str = "runs";
/// Columns of every such table that are no metrics.
const TEXTS: [&str; 2] = ["scenario_hash", "policy"];
const WHOLE: [&str; 3] = ["point", "replication", "run_seed"];
/// The last of them: metrics follow.
const LAST_KEY: &str = "run_seed";

/// The runs of a comparison or a sweep.
#[derive(Debug)]
pub(super) struct Parquet;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn help(&self) -> Option<&'static str> {
        None
    }

    fn print(&self, _: &dyn Report) -> Option<String> {
        None
    }

    fn files(&self, report: &dyn Report) -> Vec<File> {
        let tables = report.tables().into_iter().filter(|(name, grid)| {
            // A table without rows has no types.
            *name == RUNS && !grid.is_empty()
        });
        tables
            .map(|(name, grid)| {
                let bytes = written(&grid).map_err(Into::into);
                (format!("{name}.parquet"), bytes)
            })
            .collect()
    }
}

/// What cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// As `u64`, which has the bits of an `i64` in the file.
    Whole,
    Number,
}

/// The kind of each column. Metrics are numbers, whatever runs there are; values of an axis are if all are.
fn kinds(grid: &Grid) -> Vec<Kind> {
    let titles = grid.titles();
    let metrics = titles.iter().position(|title| title == LAST_KEY).map_or(0, |at| at + 1);
    let kind = |(at, title): (usize, &String)| match title.as_str() {
        _ if at >= metrics => Kind::Number,
        title if TEXTS.contains(&title) => Kind::Text,
        title if WHOLE.contains(&title) => Kind::Whole,
        _ if grid.rows().all(|row| row[at].is_empty() || row[at].parse::<f64>().is_ok()) => {
            Kind::Number
        }
        _ => Kind::Text,
    };
    titles.iter().enumerate().map(kind).collect()
}

fn written(grid: &Grid) -> Result<Vec<u8>, ParquetError> {
    let (titles, kinds) = (grid.titles(), kinds(grid));
    let fields = titles.iter().zip(&kinds).map(|(title, kind)| field(title, *kind));
    let fields = fields.collect::<Result<Vec<TypePtr>, _>>()?;
    let schema = Arc::new(Type::group_type_builder(RUNS).with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED);
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))?;
    let mut group = file.next_row_group()?;
    for (at, kind) in kinds.into_iter().enumerate() {
        let cells: Vec<&str> = grid.rows().map(|row| row[at].as_str()).collect();
        column(&mut group, kind, &cells)?;
    }
    group.close()?;
    file.into_inner()
}

fn field(title: &str, kind: Kind) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Whole => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Kind::Number => (Physical::DOUBLE, None),
    };
    let builder = Type::primitive_type_builder(title, physical);
    let field = builder.with_logical_type(logical).with_repetition(Repetition::OPTIONAL);
    Ok(Arc::new(field.build()?))
}

/// Writes the next column: empty cells are null.
fn column(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    kind: Kind,
    cells: &[&str],
) -> Result<(), ParquetError> {
    let Some(mut writer) = group.next_column()? else {
        return Err(ParquetError::General(
            "a row has more cells than the table has columns".into(),
        ));
    };
    let there = cells.iter().filter(|cell| !cell.is_empty());
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(!cell.is_empty())).collect();
    let bad = |cell: &str| ParquetError::General(format!("`{cell}` is no number"));
    match kind {
        Kind::Text => {
            let values: Vec<ByteArray> = there.map(|cell| ByteArray::from(*cell)).collect();
            writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
        }
        Kind::Whole => {
            let whole = |cell: &&str| cell.parse::<u64>().map_err(|_| bad(cell));
            let values = there.map(|cell| Ok(whole(cell)?.cast_signed()));
            let values = values.collect::<Result<Vec<i64>, ParquetError>>()?;
            writer.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
        }
        Kind::Number => {
            let number = |cell: &&str| cell.parse::<f64>().map_err(|_| bad(cell));
            let values = there.map(number).collect::<Result<Vec<f64>, ParquetError>>()?;
            writer.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
        }
    }
    writer.close()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;

    use super::*;
    use crate::{Compared, fixture};

    /// What a reader finds: names and values, row by row.
    fn read(bytes: &[u8]) -> Vec<Vec<(String, Field)>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
        rows.map(|row| row.get_column_iter().map(|(a, b)| (a.clone(), b.clone())).collect())
            .collect()
    }

    #[test]
    fn what_is_read_back_is_what_the_csv_has() {
        let comparison = fixture::natapov();
        let report = Compared::kept(&comparison);
        let files = Parquet.files(&report);
        assert_eq!(files.len(), 1);
        let (name, bytes) = files.into_iter().next().unwrap();
        assert_eq!(name, "runs.parquet");
        let rows = read(&bytes.unwrap());
        let (_, grid) = report.tables().into_iter().find(|(name, _)| *name == RUNS).unwrap();
        assert_eq!(rows.len(), grid.rows().count());
        for (row, cells) in rows.iter().zip(grid.rows()) {
            let names: Vec<&String> = row.iter().map(|(name, _)| name).collect();
            assert_eq!(names, grid.titles().iter().collect::<Vec<_>>());
            for ((name, value), cell) in row.iter().zip(cells) {
                match value {
                    Field::Null => assert_eq!(cell, "", "{name}"),
                    Field::Str(text) => assert_eq!(text, cell, "{name}"),
                    Field::ULong(whole) => assert_eq!(&whole.to_string(), cell, "{name}"),
                    Field::Double(number) => {
                        assert_eq!(*number, cell.parse::<f64>().unwrap(), "{name}");
                    }
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn columns_have_the_types_of_what_they_are() {
        let titles = ["point", "axis", "hz", "scenario_hash", "policy", "replication", "run_seed"];
        let mut grid = Grid::named(titles.into_iter().chain(["work_total", "nothing"]));
        for (axis, hz) in [("hdd", "100"), ("5", "250.5")] {
            let row = ["1", axis, hz, "12", "sync", "0", "18446744073709551615", "3", ""];
            grid.row(row.map(str::to_owned).to_vec());
        }
        let rows = read(&written(&grid).unwrap());
        let values: Vec<&Field> = rows[1].iter().map(|(_, value)| value).collect();
        assert_eq!(*values[0], Field::ULong(1));
        assert_eq!(*values[1], Field::Str("5".into()));
        assert_eq!(*values[2], Field::Double(250.5));
        assert_eq!(*values[3], Field::Str("12".into()));
        assert_eq!(*values[6], Field::ULong(u64::MAX));
        assert_eq!((values[7], values[8]), (&Field::Double(3.0), &Field::Null));
    }
}
