//! Metrics of runs as a figure: one panel per metric, one curve per run, a legend above.

use std::collections::BTreeMap;

use plotters::coord::Shift;
use plotters::prelude::*;

/// The values of each metric in their order.
pub type Metrics = BTreeMap<String, Vec<f64>>;

/// Why there is no figure: the drawing library has refused something.
#[derive(Debug)]
pub struct Undrawn(String);

impl std::fmt::Display for Undrawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the figure cannot be drawn: {}", self.0)
    }
}

impl std::error::Error for Undrawn {}

/// Width and height of a panel, in pixels.
const PANEL: (u32, u32) = (520, 380);
/// Height of a line of the legend, and of the title.
const LINE: u32 = 24;
/// Width of a letter of the legend, on average and generously.
const LETTER: u32 = 7;
/// Colours that people with any colour vision can tell apart (Okabe and Ito), the darkest first.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// What a run's curves look like.
#[derive(Clone, Copy)]
pub struct Look {
    color: usize,
    dashed: bool,
}

impl Look {
    /// That of the i-th run: a colour of its own, as long as there are any, and then the same ones with dashes.
    pub fn of(i: usize) -> Look {
        Look { color: i % COLORS.len(), dashed: (i / COLORS.len()) % 2 == 1 }
    }

    /// The same colour with dashes.
    pub fn dashed(self) -> Look {
        Look { dashed: true, ..self }
    }

    fn style(self) -> ShapeStyle {
        COLORS[self.color].stroke_width(2)
    }
}

/// A run in a figure.
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// How it is drawn.
    pub look: Look,
    /// What is drawn.
    pub metrics: Metrics,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The figure as SVG: every metric that a run has, the loss first. Runs may differ in length.
///
/// # Errors
/// None that is known: the drawing library could refuse.
pub fn draw(title: &str, curves: &[Curve]) -> Result<String, Undrawn> {
    let names = metric_names(curves);
    let panels = names.len().max(1) as u32;
    let columns = panels.min(2);
    let rows = panels.div_ceil(columns);
    let width = columns * PANEL.0;
    let legend = Legend::new(curves, width);
    let head = if title.is_empty() { 8 } else { LINE + 12 };
    let top = head + legend.height();
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, (width, top + rows * PANEL.1)).into_drawing_area();
    root.fill(&WHITE).map_err(refused)?;
    let (above, below) = root.split_vertically(top);
    if !title.is_empty() {
        above.draw(&Text::new(title.to_string(), (16, 12), ("sans-serif", 18))).map_err(refused)?;
    }
    legend.draw(&above, head as i32)?;
    for (area, name) in below.split_evenly((rows as usize, columns as usize)).iter().zip(&names) {
        panel(area, name, curves)?;
    }
    root.present().map_err(refused)?;
    drop((above, below, root));
    Ok(svg)
}

/// All metrics: the loss, the accuracy, then by name.
fn metric_names(curves: &[Curve]) -> Vec<&str> {
    let mut names: Vec<&str> =
        curves.iter().flat_map(|curve| curve.metrics.keys()).map(String::as_str).collect();
    names.sort_by_key(|name| (*name != "loss", *name != "accuracy", *name));
    names.dedup();
    names
}

fn panel(area: &Area<'_>, name: &str, curves: &[Curve]) -> Result<(), Undrawn> {
    let drawn = |curve: &&Curve| curve.metrics.contains_key(name);
    let values = || curves.iter().filter_map(|curve| curve.metrics.get(name));
    let longest = values().map(Vec::len).max().unwrap_or(0) as i32;
    // A single epoch stands in the middle.
    let epochs = if longest > 1 { 1..longest } else { 0..2 };
    let mut chart = ChartBuilder::on(area)
        .caption(name, ("sans-serif", 16))
        .margin(14)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(epochs, range(values().flatten().copied()))
        .map_err(refused)?;
    let percent = name == "accuracy";
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .x_labels(longest.clamp(3, 16) as usize)
        .y_labels(8)
        .x_desc("epoch")
        .y_label_formatter(&|value| if percent { format!("{:.1} %", 100.0 * value) } else { number(*value) })
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 13))
        .draw()
        .map_err(refused)?;
    for curve in curves.iter().filter(drawn) {
        let points = (1..).zip(curve.metrics[name].iter().copied()).filter(|(_, value)| value.is_finite());
        let points: Vec<(i32, f64)> = points.collect();
        let style = curve.look.style();
        let line = points.iter().copied();
        if curve.look.dashed {
            chart.draw_series(DashedLineSeries::new(line, 6, 4, style)).map_err(refused)?;
        } else {
            chart.draw_series(LineSeries::new(line, style)).map_err(refused)?;
        }
        let dots = points.iter().map(|point| Circle::new(*point, 3, style.filled()));
        chart.draw_series(dots).map_err(refused)?;
    }
    Ok(())
}

/// From the lowest value to the highest, with a margin.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let margin = if high > low { 0.05 * (high - low) } else { 0.05 * high.abs().max(1e-3) };
    low - margin..high + margin
}

/// A number beside an axis.
fn number(value: f64) -> String {
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 1.0 {
        2
    } else {
        4
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// Where the names of the runs stand, in as many lines as they need.
struct Legend<'a> {
    curves: &'a [Curve],
    /// From the left, and the line.
    places: Vec<(u32, u32)>,
}

impl<'a> Legend<'a> {
    fn new(curves: &'a [Curve], width: u32) -> Legend<'a> {
        let (mut x, mut line) = (16, 0);
        let mut places = Vec::new();
        // One run without a name needs no legend.
        let named = if curves.iter().all(|curve| curve.name.is_empty()) { &[] } else { curves };
        for curve in named {
            let needed = 34 + LETTER * curve.name.chars().count() as u32 + 20;
            if x + needed > width && x > 16 {
                (x, line) = (16, line + 1);
            }
            places.push((x, line));
            x += needed;
        }
        Legend { curves, places }
    }

    fn height(&self) -> u32 {
        LINE * self.places.last().map_or(0, |(_, line)| line + 1)
    }

    fn draw(&self, area: &Area<'_>, top: i32) -> Result<(), Undrawn> {
        for (curve, (x, line)) in self.curves.iter().zip(&self.places) {
            let (x, y) = (*x as i32, top + (line * LINE + LINE / 2) as i32);
            let ends = [(x, y), (x + 26, y)];
            let style = curve.look.style();
            if curve.look.dashed {
                area.draw(&plotters::element::DashedPathElement::new(ends, 6, 4, style)).map_err(refused)?;
            } else {
                area.draw(&PathElement::new(ends, style)).map_err(refused)?;
            }
            area.draw(&Circle::new((x + 13, y), 3, style.filled())).map_err(refused)?;
            area.draw(&Text::new(curve.name.clone(), (x + 34, y - 6), ("sans-serif", 13)))
                .map_err(refused)?;
        }
        Ok(())
    }
}

fn refused(error: impl std::fmt::Display) -> Undrawn {
    Undrawn(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(i: usize, name: &str, metrics: &[(&str, &[f64])]) -> Curve {
        let metrics = metrics.iter().map(|(name, values)| (name.to_string(), values.to_vec())).collect();
        Curve { name: name.into(), look: Look::of(i), metrics }
    }

    #[test]
    fn a_curve_per_run_and_a_panel_per_metric() {
        let curves = [
            curve(0, "f = 16", &[("loss", &[0.5, 0.25, 0.2]), ("accuracy", &[0.9, 0.95, 0.97])]),
            curve(1, "a < b & c", &[("accuracy", &[0.8, 0.85]), ("loss", &[1.5, 0.75])]),
        ];
        let svg = draw("Two runs", &curves).unwrap();
        let count = |part: &str| svg.matches(part).count();
        assert_eq!(
            count("<polyline fill=\"none\" opacity=\"1\" stroke=\"#0072B2\" stroke-width=\"2\""),
            3,
            "two curves and the legend"
        );
        assert_eq!(count("<circle"), 2 * 3 + 2 * 2 + 2);
        for text in ["Two runs", "f = 16", "a &lt; b &amp; c", "loss", "accuracy", "95.0 %", "epoch"] {
            assert!(svg.contains(text), "{text} is not in\n{svg}");
        }
        assert!(svg.find("loss").unwrap() < svg.find("accuracy").unwrap(), "the loss comes first");
    }

    #[test]
    fn odd_figures_are_drawn() {
        draw("", &[]).unwrap();
        let one = draw("one", &[curve(0, "", &[("loss", &[0.0])])]).unwrap();
        assert_eq!(one.matches("<circle").count(), 1, "a point and no legend");
        draw("none", &[curve(0, "x", &[("loss", &[])])]).unwrap();
        draw("no number", &[curve(3, "x", &[("loss", &[f64::NAN, f64::INFINITY, 1.0])])]).unwrap();
        let many: Vec<Curve> =
            (0..20).map(|i| curve(i, "a rather long name of a run", &[("loss", &[i as f64, 1e9])])).collect();
        let svg = draw("many", &many).unwrap();
        assert_eq!(svg.matches("a rather long name").count(), 20);
    }

    #[test]
    fn numbers_beside_an_axis() {
        let shown: Vec<String> = [0.0, 0.25, 1.5, 100.0, -0.00001, 1234.5].map(number).to_vec();
        assert_eq!(shown, ["0", "0.25", "1.5", "100", "-0", "1234"]);
    }
}
