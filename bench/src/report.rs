//! The table for people and `report.json` for programs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Whatever it is: a figure to compare with.
    Open,
}

/// A goal and the figure reached.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Name of the goal.
    pub goal: String,
    /// The figure reached.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What was measured, divided by the yardstick of the same run.
    pub ratio: Option<f64>,
    /// The yardstick: its own figure, in calls per second, microseconds or whatever the goal is about.
    pub baseline: Option<f64>,
    /// Rounds that the median is of.
    pub rounds: usize,
    /// What it should be.
    #[serde(skip)]
    pub target: Target,
}

impl Figure {
    /// What was measured, divided by a yardstick.
    pub fn ratio(goal: impl Into<String>, ratio: f64, baseline: f64, rounds: usize, target: Target) -> Self {
        let (goal, baseline) = (goal.into(), Some(baseline));
        Self { goal, value: ratio, unit: "ratio", ratio: Some(ratio), baseline, rounds, target }
    }

    /// A figure by itself.
    pub fn plain(goal: impl Into<String>, value: f64, unit: &'static str, rounds: usize, target: Target) -> Self {
        Self { goal: goal.into(), value, unit, ratio: None, baseline: None, rounds, target }
    }
}

/// What a group of goals came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The figures.
    pub figures: Vec<Figure>,
    /// What was seen, in words and tables.
    pub text: String,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Report {
    /// The goals as a table.
    pub fn table(&self) -> Table {
        let mut table = new_table(&["goal", "figure", "target", "met", "baseline", "rounds"]);
        for figure in &self.figures {
            let (target, met) = match figure.target {
                Target::AtLeast(least) => (format!("≥ {least}"), if figure.value >= least { "yes" } else { "no" }),
                Target::AtMost(most) => (format!("≤ {most}"), if figure.value <= most { "yes" } else { "no" }),
                Target::Open => (String::new(), ""),
            };
            let value = format!("{} {}", number(figure.value), figure.unit);
            let baseline = figure.baseline.map(number).unwrap_or_default();
            table.add_row([&figure.goal, &value, &target, met, &baseline, &figure.rounds.to_string()]);
        }
        table
    }

    /// Writes the figures as JSON; returns where.
    ///
    /// # Errors
    /// [`Failure`] when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<PathBuf, Failure> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(path, serde_json::to_string_pretty(&self.figures)? + "\n")?;
        Ok(path.to_owned())
    }
}

/// A table whose columns, but for the first, hold figures.
pub fn new_table(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(titles);
    for column in 1..titles.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A figure with as many digits as say something.
pub fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
