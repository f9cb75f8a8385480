// SPDX-License-Identifier: Apache-2.0
//! The room for instances: what each needs, what the address space allows, and
//! Wasmtime's pool made from both.

use wasmtime::ResourcesRequired;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::abi::{fail, Fallible, SlEngineConfig, SlShort, Status};
use crate::cause::one_line;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// With so much address space behind each memory compiled code need not check the
/// bounds of 32-bit addresses.
const WIDE_RESERVATION: u64 = 4 * GIB;
const WIDE_GUARD: u64 = 32 * MIB;
/// Where space is short: offsets within it are not added before the check.
const NARROW_GUARD: u64 = 64 * KIB;
/// Of the 128 TiB that a process has, for each of two engines.
const SPACE_MAX: u64 = 56 * TIB;
/// A pool that does not fit is not made smaller than this.
const SPACE_MIN: u64 = 64 * MIB;
/// Mappings that the rest of the process may need.
const OTHER_MAPS: u64 = 4096;
/// Of an instance: a stack and its guard; and of each memory what its image, its
/// heap and what it did not grow to are.
const STACK_MAPS: u64 = 2;
const MEMORY_MAPS: u64 = 3;
/// What an instance that runs writes to at the least: its stack, its first pages, what
/// the host keeps for it. Measured: 30 KiB for a small component in C.
const LEAST_WRITTEN: u64 = 32 * KIB;
/// The default of Wasmtime, with its guard.
const STACK_SIZE: u64 = 2 * MIB + 4 * KIB;
/// For what the host keeps of a core instance, or of a component's.
const INSTANCE_SIZE: usize = 64 << 20;
const ELEMENT_SIZE: u64 = 8;
/// Of WebAssembly; smaller ones make the bound larger than it is.
const PAGE: u64 = 64 * KIB;
const TABLE_ELEMENTS: u64 = 20_000;

/// What one instance of a component has, at its start and at the most.
#[derive(Clone, Copy, Default)]
pub struct Needs {
    pub memories: u64,
    pub tables: u64,
    /// The elements of the largest table at the start.
    pub elements: u64,
    /// The bytes of the largest memory at the start.
    pub memory: u64,
}

impl Needs {
    pub fn of(required: Option<ResourcesRequired>) -> Needs {
        let Some(required) = required else { return Needs::default() };
        Needs {
            memories: u64::from(required.num_memories),
            tables: u64::from(required.num_tables),
            elements: required.max_initial_table_size.unwrap_or(0),
            memory: required.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE),
        }
    }

    pub fn most(self, other: Needs) -> Needs {
        Needs {
            memories: self.memories.max(other.memories),
            tables: self.tables.max(other.tables),
            elements: self.elements.max(other.elements),
            memory: self.memory.max(other.memory),
        }
    }
}

pub fn max_memory(config: &SlEngineConfig) -> u64 {
    if config.max_memory == 0 {
        64 * MIB
    } else {
        config.max_memory
    }
}

/// Elements of a table that guests may have.
pub fn max_elements(config: &SlEngineConfig) -> u64 {
    if config.max_table_elements == 0 {
        TABLE_ELEMENTS
    } else {
        config.max_table_elements
    }
}

fn instances_asked(config: &SlEngineConfig) -> u32 {
    if config.max_instances == 0 {
        1000
    } else {
        config.max_instances
    }
}

fn read_number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// The bytes of address space that instances may take, where the process has used so
/// much.
fn free_space(used: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a place to write to.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } == 0;
    if !known || limit.rlim_cur == libc::RLIM_INFINITY {
        return SPACE_MAX;
    }
    // The rest is for the host: threads, services, answers.
    (limit.rlim_cur.saturating_sub(used) / 4 * 3).min(SPACE_MAX)
}

/// The least limit of the control groups that the process is in.
fn group_memory() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let limits = std::path::Path::new(path).ancestors().filter_map(|group| {
        let group = group.strip_prefix("/").ok()?;
        let file = std::path::Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        read_number(file.to_str()?)
    });
    limits.min()
}

/// The bytes of memory that instances may take: of what the machine has, or the process
/// may have of it, a part is for the host, and for what guests write beside.
fn free_memory() -> u64 {
    // SAFETY: a struct of numbers, all of which may be 0.
    let mut info: libc::sysinfo = unsafe { std::mem::zeroed() };
    // SAFETY: a place to write to.
    let known = unsafe { libc::sysinfo(&mut info) } == 0;
    let machine = if known {
        info.totalram.saturating_mul(u64::from(info.mem_unit.max(1)))
    } else {
        u64::MAX
    };
    machine.min(group_memory().unwrap_or(u64::MAX)) / 4 * 3
}

fn used_space() -> u64 {
    read_number("/proc/self/statm").unwrap_or(0).saturating_mul(4 * KIB)
}

fn free_maps() -> u64 {
    read_number("/proc/sys/vm/max_map_count").unwrap_or(65_530).saturating_sub(OTHER_MAPS)
}

/// What compiled code expects of the memory that it works on.
#[derive(Clone, Copy, PartialEq)]
pub struct Layout {
    reservation: u64,
    guard: u64,
}

impl Layout {
    /// Wide wherever that fits, as code is faster then. The narrow one comes in a few
    /// sizes, so that compiled code can be used again: it is the same for every process
    /// with these settings and limits.
    pub fn of(config: &SlEngineConfig) -> Layout {
        let wide = Layout { reservation: WIDE_RESERVATION, guard: WIDE_GUARD };
        let most = u64::from(instances_asked(config)).min(free_maps() / (STACK_MAPS + MEMORY_MAPS));
        if wide.slot().saturating_mul(most) <= free_space(0) {
            return wide;
        }
        let reservation = max_memory(config).next_power_of_two().min(WIDE_RESERVATION);
        Layout { reservation, guard: NARROW_GUARD }
    }

    fn slot(&self) -> u64 {
        self.reservation + self.guard
    }
}

pub fn base_config(layout: Layout, concurrent: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(concurrent)
        .wasm_component_model_async(concurrent)
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Enable)
        .memory_reservation(layout.reservation)
        .memory_guard_size(layout.guard);
    config
}

#[derive(Clone, Copy)]
pub struct Room {
    pub asked: u32,
    pub instances: u32,
    pub short_of: SlShort,
}

/// An engine whose instances have what `needs` says, as many as fit.
pub fn pooled(
    config: &SlEngineConfig,
    layout: Layout,
    needs: Needs,
    concurrent: bool,
) -> Fallible<(wasmtime::Engine, Room)> {
    let asked = instances_asked(config);
    let memories = needs.memories.max(1);
    let tables = needs.tables.max(1);
    let elements = needs.elements.max(max_elements(config));
    let each = memories * layout.slot() + tables * elements * ELEMENT_SIZE * 2 + STACK_SIZE;
    let by_space = free_space(used_space()) / each;
    let by_maps = free_maps() / (STACK_MAPS + MEMORY_MAPS * memories);
    let by_memory = free_memory() / LEAST_WRITTEN;
    let most = by_space.min(by_maps).min(by_memory).max(1);
    let mut room = Room { asked, instances: asked, short_of: SlShort::NOTHING };
    if u64::from(asked) > most {
        room.instances = u32::try_from(most).unwrap_or(asked);
        room.short_of = if by_memory == most {
            SlShort::MEMORY
        } else if by_maps == most {
            SlShort::MAPS
        } else {
            SlShort::ADDRESS_SPACE
        };
    }
    loop {
        let pool = Pool { config, memories, tables, elements, instances: room.instances };
        let mut wasm = base_config(layout, concurrent);
        wasm.allocation_strategy(InstanceAllocationStrategy::Pooling(pool.config()));
        match wasmtime::Engine::new(&wasm) {
            Ok(engine) => return Ok((engine, room)),
            Err(_)
                if room.instances > 1 && each.saturating_mul(room.instances.into()) > SPACE_MIN =>
            {
                room.instances /= 2;
                room.short_of = SlShort::ADDRESS_SPACE;
            }
            Err(error) => {
                let why = one_line(&error);
                return fail(
                    Status::UNAVAILABLE,
                    format!(
                        "no room for instances of {} MiB: {why}; raise the limit of the address \
                         space (ulimit -v), or lower memory in [component]",
                        max_memory(config) / MIB
                    ),
                );
            }
        }
    }
}

struct Pool<'a> {
    config: &'a SlEngineConfig,
    memories: u64,
    tables: u64,
    elements: u64,
    instances: u32,
}

impl Pool<'_> {
    fn config(&self) -> PoolingAllocationConfig {
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let total = |n: u64| number(n.saturating_mul(self.instances.into()));
        let warm = match self.config.warm_instances {
            0 => 100,
            warm => total(self.memories).min(warm.saturating_mul(number(self.memories))),
        };
        let resident = match self.config.keep_resident {
            0 => MIB,
            bytes => bytes,
        };
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(self.instances)
            // Only counted: their memories and tables are what takes room.
            .total_core_instances(u32::MAX)
            .max_core_instances_per_component(u32::MAX)
            .max_core_instance_size(INSTANCE_SIZE)
            .max_component_instance_size(INSTANCE_SIZE)
            .total_memories(total(self.memories))
            .max_memories_per_component(number(self.memories))
            .max_memories_per_module(number(self.memories))
            .total_tables(total(self.tables))
            .max_tables_per_component(number(self.tables))
            .max_tables_per_module(number(self.tables))
            .table_elements(size(self.elements))
            .total_stacks(self.instances)
            .total_gc_heaps(self.instances)
            .max_memory_size(size(max_memory(self.config)))
            .max_unused_warm_slots(warm)
            .linear_memory_keep_resident(size(resident))
            .table_keep_resident(64 << 10)
            .async_stack_keep_resident(32 << 10)
            .pagemap_scan(Enabled::Auto);
        pool
    }
}
