//! `bench`: what the protocol costs, and what the simulator does in a second.

use std::process::ExitCode;

use meshwork_sim::bench::{self, Sizes};
use serde_json::{Value, json};

use super::print;

pub(crate) fn spread(nodes_max: usize, json: bool) -> Result<ExitCode, String> {
    let spread = bench::spreads(nodes_max);
    if json {
        print(json!({ "spread": spread }));
    } else {
        for row in spread {
            print(serde_json::to_string(&row).map_err(|error| error.to_string())?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn engine(full_devices: usize, json: bool) -> Result<ExitCode, String> {
    show(&bench::simulator(full_devices), json)
}

pub(crate) fn bench(
    small: bool,
    spread_nodes_max: usize,
    full_devices: usize,
    json: bool,
) -> Result<ExitCode, String> {
    let mut sizes = Sizes { spread_nodes_max, ..Sizes::default() };
    if small {
        sizes.cold_entries /= 10;
        sizes.many_entries /= 10;
        sizes.members = &[100];
        sizes.operations /= 10;
    }
    eprintln!("measuring: the simulator");
    let simulator = bench::simulator(full_devices);
    let figures = bench::measure(sizes, &|what| eprintln!("measuring: {what}"));
    let mut value = serde_json::to_value(&figures).map_err(|error| error.to_string())?;
    if let (Some(all), Ok(Value::Object(own))) =
        (value.as_object_mut(), serde_json::to_value(&simulator))
    {
        all.extend(own);
    }
    show(&value, json)
}

fn show(value: &impl serde::Serialize, json: bool) -> Result<ExitCode, String> {
    let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
    if json {
        print(value);
    } else {
        for (name, value) in value.as_object().into_iter().flatten() {
            print(format!("{name:<28} {value}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
