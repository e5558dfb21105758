//! The arguments of each workload.

use super::contest::{ContestArguments, Vary, parsed};
use clap::Args;
use synod_bench::workload::ycsb::{Mix, Popularity, Preset, Settings, Ycsb};
use synod_bench::workload::{Workload, bank, smallbank, tatp};
use synod_bench::{Error, Result};

/// A workload's own arguments: they make it, and some of them can be varied.
pub trait WorkloadArguments: Vary {
    /// The workload with these settings.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range, or would have no effect.
    fn workload(&self) -> Result<Box<dyn Workload>>;
}

/// How `ycsb` runs. What isn't given is as the preset has it.
#[derive(Args, Clone, Debug)]
pub struct YcsbArguments {
    /// Preset: a to f as the paper has them, one operation a transaction, or t: ten operations a transaction, half of them
    /// read-modify-writes
    #[arg(long, value_name = "NAME", default_value = "t")]
    pub workload: Preset,

    /// Data and operations.
    #[command(flatten)]
    pub data: DataArguments,

    /// Exponent of Zipf's law that the popularity of records follows, 0 to 2; 0 makes them all alike
    #[arg(long, value_name = "THETA")]
    pub theta: Option<f64>,

    /// Reads among a hundred operations; the others keep their shares among themselves
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub read: Option<u8>,

    /// Write without reading first, instead of read-modify-writes
    #[arg(long)]
    pub blind: bool,

    /// Records of a scan at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub scan: Option<u16>,

    /// A hot spot instead of Zipf's law: percent of the records, and of the operations that go there, as in 1,90
    #[arg(long, value_name = "RECORDS,OPERATIONS", conflicts_with = "theta", value_parser = hotspot)]
    pub hotspot: Option<Popularity>,

    /// What is compared.
    #[command(flatten)]
    pub contest: ContestArguments,
}

/// Data and operations.
#[derive(Args, Clone, Debug)]
pub struct DataArguments {
    /// Records at first
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub records: u64,

    /// Bytes of a key
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub key_bytes: usize,

    /// Bytes of a value
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub value_bytes: usize,

    /// Operations of a transaction [default: as the preset has it]
    #[arg(long, value_name = "N")]
    pub operations: Option<usize>,

    /// Ask for one key after the other, as a transaction does that doesn't know the next one yet, instead of handing over
    /// together what is to be read
    #[arg(long)]
    pub one_by_one: bool,
}

impl DataArguments {
    fn apply(&self, settings: &mut Settings) {
        settings.records = self.records;
        (settings.key_bytes, settings.value_bytes) = (self.key_bytes, self.value_bytes);
        settings.operations = self.operations.unwrap_or(settings.operations);
        settings.one_by_one = self.one_by_one;
    }
}

impl YcsbArguments {
    fn settings(&self) -> Settings {
        let mut settings = self.workload.settings();
        self.data.apply(&mut settings);
        settings.scan_max = self.scan.unwrap_or(settings.scan_max);
        settings.popularity = match (self.hotspot, self.theta, settings.popularity) {
            (Some(hotspot), ..) => hotspot,
            (None, Some(theta), Popularity::Latest(_)) => Popularity::Latest(theta),
            (None, Some(theta), _) => Popularity::Zipf(theta),
            (None, None, preset) => preset,
        };
        let mix = &mut settings.mix;
        if let Some(read) = self.read {
            *mix = with_reads(*mix, read);
        }
        if self.blind {
            (mix.update, mix.read_modify_write) = (mix.update + mix.read_modify_write, 0);
        }
        settings
    }
}

/// A mix with another share of reads; the rest is shared as it was.
fn with_reads(mix: Mix, read: u8) -> Mix {
    let (rest, left) = (100 - u32::from(mix.read), 100 - u32::from(read));
    if rest == 0 {
        return Mix { read, update: left as u8, ..mix };
    }
    let scaled = |share: u8| (u32::from(share) * left / rest) as u8;
    let mut mix = Mix {
        read,
        update: scaled(mix.update),
        read_modify_write: scaled(mix.read_modify_write),
        insert: scaled(mix.insert),
    };
    // What is lost to rounding goes to a kind that is there anyway: what is left over would be scans.
    if mix.scan() > 0 && mix.scan() < 3 {
        let more = mix.scan();
        match (mix.update, mix.read_modify_write) {
            (1.., _) => mix.update += more,
            (0, 1..) => mix.read_modify_write += more,
            _ => mix.insert += more,
        }
    }
    mix
}

impl Vary for YcsbArguments {
    const NAMES: &'static [&'static str] = &["theta", "read", "operations", "scan"];

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "theta" if self.hotspot.is_some() => {
                return Err("a --hotspot has no theta: leave it out, or vary something else".to_string());
            }
            "theta" => self.theta = Some(parsed(name, value)?),
            "read" => {
                let read = parsed(name, value)?;
                if read > 100 {
                    return Err("read is a percentage, 0 to 100".to_string());
                }
                self.read = Some(read);
            }
            "operations" => self.data.operations = Some(parsed(name, value)?),
            _ => self.scan = Some(parsed(name, value)?),
        }
        Ok(())
    }
}

impl YcsbArguments {
    /// Refuses what would have no effect: the preset has no operations of that kind.
    fn check(&self) -> Result<()> {
        let mix = self.workload.settings().mix;
        let problem = if self.scan.is_some() && mix.scan() == 0 {
            "--scan says how long scans are, and this workload has none: workload e has"
        } else if self.blind && mix.read_modify_write == 0 {
            "--blind is for read-modify-writes, and this workload has none: f and t have"
        } else {
            return Ok(());
        };
        Err(Error::Settings(problem.to_string()))
    }
}

impl WorkloadArguments for YcsbArguments {
    fn workload(&self) -> Result<Box<dyn Workload>> {
        self.check()?;
        Ok(Box::new(Ycsb::new(self.settings())?))
    }
}

/// How `smallbank` runs.
#[derive(Args, Clone, Debug)]
pub struct SmallBankArguments {
    /// Customers
    #[arg(long, value_name = "N", default_value_t = smallbank::Settings::default().customers)]
    pub customers: u32,

    /// Hot customers
    #[arg(long, value_name = "N", default_value_t = smallbank::Settings::default().hot_customers)]
    pub hot: u32,

    /// Transactions of hot customers, among a hundred
    #[arg(long, value_name = "PERCENT", default_value_t = smallbank::Settings::default().hot_percent)]
    pub hot_percent: u8,

    /// What is compared.
    #[command(flatten)]
    pub contest: ContestArguments,
}

impl Vary for SmallBankArguments {
    const NAMES: &'static [&'static str] = &["hot", "hot-percent"];

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "hot" => self.hot = parsed(name, value)?,
            _ => self.hot_percent = parsed(name, value)?,
        }
        Ok(())
    }
}

impl WorkloadArguments for SmallBankArguments {
    fn workload(&self) -> Result<Box<dyn Workload>> {
        let (customers, hot_customers, hot_percent) = (self.customers, self.hot, self.hot_percent);
        let settings = smallbank::Settings { customers, hot_customers, hot_percent, ..Default::default() };
        Ok(Box::new(smallbank::SmallBank::new(settings)?))
    }
}

/// How `bank` runs.
#[derive(Args, Clone, Debug)]
pub struct BankArguments {
    /// Accounts
    #[arg(long, value_name = "N", default_value_t = bank::Settings::default().accounts)]
    pub accounts: u32,

    /// Transactions that add up all accounts, among a hundred; the others are transfers
    #[arg(long, value_name = "PERCENT", default_value_t = bank::Settings::default().audits_percent)]
    pub audits: f64,

    /// Exponent of Zipf's law that the popularity of accounts follows, 0 to 2; 0 makes them all alike
    #[arg(long, value_name = "THETA", default_value_t = bank::Settings::default().theta)]
    pub theta: f64,

    /// What is compared.
    #[command(flatten)]
    pub contest: ContestArguments,
}

impl Vary for BankArguments {
    const NAMES: &'static [&'static str] = &["audits", "theta"];

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "audits" => self.audits = parsed(name, value)?,
            _ => self.theta = parsed(name, value)?,
        }
        Ok(())
    }
}

impl WorkloadArguments for BankArguments {
    fn workload(&self) -> Result<Box<dyn Workload>> {
        let (accounts, audits_percent, theta) = (self.accounts, self.audits, self.theta);
        let settings = bank::Settings { accounts, audits_percent, theta, ..Default::default() };
        Ok(Box::new(bank::Bank::new(settings)?))
    }
}

/// How `tatp` runs.
#[derive(Args, Clone, Debug)]
pub struct TatpArguments {
    /// Subscribers
    #[arg(long, value_name = "N", default_value_t = tatp::Settings::default().subscribers)]
    pub subscribers: u32,

    /// Make all subscribers alike, instead of drawing them as the specification says
    #[arg(long)]
    pub uniform: bool,

    /// What is compared.
    #[command(flatten)]
    pub contest: ContestArguments,
}

impl Vary for TatpArguments {
    const NAMES: &'static [&'static str] = &["uniform"];

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.uniform = parsed(name, value)?;
        Ok(())
    }
}

impl WorkloadArguments for TatpArguments {
    fn workload(&self) -> Result<Box<dyn Workload>> {
        let settings = tatp::Settings { subscribers: self.subscribers, uniform: self.uniform };
        Ok(Box::new(tatp::Tatp::new(settings)?))
    }
}

/// How `contention` runs.
#[derive(Args, Clone, Debug)]
pub struct HotArguments {
    /// Data and operations.
    #[command(flatten)]
    pub data: DataArguments,

    /// Hot records
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub hot: u64,

    /// Operations of each transaction on hot records
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub of_them: usize,

    /// What is compared.
    #[command(flatten)]
    pub contest: ContestArguments,
}

impl Vary for HotArguments {
    const NAMES: &'static [&'static str] = &["hot", "of-them", "operations"];

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "hot" => self.hot = parsed(name, value)?,
            "of-them" => self.of_them = parsed(name, value)?,
            _ => self.data.operations = Some(parsed(name, value)?),
        }
        Ok(())
    }
}

impl WorkloadArguments for HotArguments {
    fn workload(&self) -> Result<Box<dyn Workload>> {
        let mut settings = Preset::Contention.settings();
        self.data.apply(&mut settings);
        settings.popularity = Popularity::Hot { records: self.hot, operations: self.of_them };
        Ok(Box::new(Ycsb::new(settings)?))
    }
}

fn hotspot(text: &str) -> Result<Popularity, String> {
    let wanted = || "two percentages are needed, of records and of operations, as in 1,90".to_string();
    let (records, operations) = text.split_once(',').ok_or_else(wanted)?;
    let records_percent = records.trim().parse().map_err(|_| wanted())?;
    let operations_percent = operations.trim().parse().map_err(|_| wanted())?;
    Ok(Popularity::Hotspot { records_percent, operations_percent })
}
