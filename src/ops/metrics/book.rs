//! The documentation of the metrics, generated from the same data as the metrics themselves.

use std::{
    fmt::{self, Write},
    hash::Hash,
};

use prometheus_client::{
    metrics::{
        MetricType, TypedMetric,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        info::Info,
    },
    registry::{Metric, Registry, Unit},
};

use super::{
    PREFIX,
    labels::{Label, Labels, Says},
    scrape::{About, Sink},
};

const INTRODUCTION: &str = "\
# Metrics

Credwright serves its metrics at `/metrics`, in the text format of OpenMetrics.

| kind of metric | source |
|---|---|
| counters and histograms | this process. They begin at zero with each start |
| ApiCredentials, and numbers of credentials | the objects. The values are the same in every replica |
| usability of a provider | the replica that works |

The series of an ApiCredential or a provider disappear when the object is deleted. A label is the name of such an object, or one of the words that
this page lists. It never contains an error, a URL, a client ID or a scope.

The label `namespace` is that of the object. Tell Prometheus to keep it: `honor_labels: true`, or `honorLabels: true` in a ServiceMonitor, as in
the chart's. Otherwise Prometheus replaces it with Credwright's own namespace.

This page is generated from the code: `make generate` writes it.
";

/// A registry that keeps a page of documentation for each metric.
pub(super) struct Book {
    pub(super) registry: Registry,
    pub(super) pages: Vec<Page>,
}

/// The documentation of a metric.
pub(super) struct Page {
    pub(super) name: String,
    pub(super) kind: MetricType,
    help: String,
    pub(super) labels: Vec<Label>,
}

/// A metric with documented labels.
pub(super) trait Labelled: Metric {
    fn labels() -> Vec<Label>;
}

impl<L, M, C> Labelled for Family<L, M, C>
where
    L: Labels + Clone + Hash + Eq,
    M: TypedMetric,
    C: MetricConstructor<M>,
    Self: Metric,
{
    fn labels() -> Vec<Label> {
        L::describe()
    }
}

impl Labelled for Gauge {
    fn labels() -> Vec<Label> {
        Vec::new()
    }
}

impl<L: Labels> Labelled for Info<L>
where
    Self: Metric,
{
    fn labels() -> Vec<Label> {
        L::describe()
    }
}

impl Book {
    pub(super) fn new() -> Self {
        Self { registry: Registry::with_prefix(PREFIX), pages: Vec::new() }
    }

    /// Registers a metric without a unit, and returns a handle to it.
    pub(super) fn add<M: Labelled + Clone + Default>(&mut self, name: &'static str, help: &'static str) -> M {
        self.add_as((name, None, help), M::default())
    }

    /// Registers a metric, and returns a handle to it.
    pub(super) fn add_as<M: Labelled + Clone>(&mut self, about: About, metric: M) -> M {
        self.register(about, metric.clone());
        metric
    }

    /// Registers a metric that never changes.
    pub(super) fn register<M: Labelled>(&mut self, (name, unit, help): About, metric: M) {
        self.pages.push(Page::new(name, unit.as_ref(), (metric.metric_type(), help), M::labels()));
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric),
            None => self.registry.register(name, help, metric),
        }
    }
}

impl Sink for Book {
    fn put<L: Labels>(
        &mut self,
        (name, unit, help): About,
        _: impl Iterator<Item = (L, i64)>,
    ) -> fmt::Result {
        self.pages.push(Page::new(name, unit.as_ref(), (MetricType::Gauge, help), L::describe()));
        Ok(())
    }
}

impl Page {
    fn new(name: &str, unit: Option<&Unit>, (kind, help): (MetricType, &str), labels: Vec<Label>) -> Self {
        let unit = unit.map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
        let suffix = match kind {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            _ => "",
        };
        Self { name: format!("{PREFIX}_{name}{unit}{suffix}"), kind, help: help.to_owned(), labels }
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "\n## {}\n\nType {}. {}.", self.name, self.kind.as_str(), self.help)?;
        for (number, label) in self.labels.iter().enumerate() {
            let first = if number == 0 { "\n" } else { "" };
            match &label.says {
                Says::This(what) => writeln!(text, "{first}- `{}`: {what}", label.name)?,
                Says::OneOf(values) => {
                    writeln!(text, "{first}- `{}`:", label.name)?;
                    for (value, what) in *values {
                        writeln!(text, "  - `{value}`: {}", what.trim())?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the page of documentation.
pub(super) fn written(mut pages: Vec<Page>) -> String {
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    let mut text = INTRODUCTION.to_owned();
    for page in pages {
        // A String accepts everything.
        let _ = page.write(&mut text);
    }
    text
}
