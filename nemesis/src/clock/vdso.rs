//! The vDSO: the small shared library that the kernel maps into every program, whose functions read the clocks without a
//! system call (vdso(7)). What is in it, and what it looks like with other functions in their place.

use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;

use super::coverage::Uncovered;

/// Its symbols that matter here; each architecture has its own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    ClockGettime,
    Gettimeofday,
    Time,
}

/// Bytes of an `Elf64_Sym`, and where in it its value is.
const SYMBOL_BYTES: usize = 24;
const VALUE_OFFSET: usize = 8;
const SHN_UNDEF: usize = 0;
const SHN_ABS: usize = 0xfff1;

/// A parsed image.
pub(crate) struct Vdso {
    image: Vec<u8>,
    symbols: Vec<Symbol>,
    /// The address at which its first segment wants to be; 0 for all kernels of this decade.
    bias: u64,
    /// Where in the image there is an instruction that calls the system.
    system_call: usize,
}

struct Symbol {
    function: Option<Function>,
    value: u64,
    /// Where in the image its value is written.
    at: usize,
}

/// How much of the image must be read, given its first page: segments and section headers. None if that is no 64-bit ELF.
pub(crate) fn image_bytes(start: &[u8]) -> Option<usize> {
    let word = |at: usize, bytes: usize| -> Option<u64> {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(start.get(at..at + bytes)?);
        Some(u64::from_le_bytes(word))
    };
    if start.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (headers, size, count) = (word(32, 8)?, word(54, 2)?, word(56, 2)?);
    let mut end = word(40, 8)?.checked_add(word(58, 2)? * word(60, 2)?)?;
    for i in 0..count {
        let header = usize::try_from(headers.checked_add(i * size)?).ok()?;
        if word(header, 4)? == u64::from(PT_LOAD) {
            end = end.max(word(header + 8, 8)?.checked_add(word(header + 32, 8)?)?);
        }
    }
    usize::try_from(end).ok().filter(|end| *end < 1 << 20)
}

impl Vdso {
    /// Of the image as it is in memory.
    pub(crate) fn parse(image: Vec<u8>) -> Result<Vdso, Uncovered> {
        let (symbols, bias) = symbols(&image).ok_or(Uncovered::NoVdso)?;
        let system_call = system_call(&image).ok_or(Uncovered::NoVdso)?;
        let vdso = Vdso { image, symbols, bias, system_call };
        let needed = [Function::ClockGettime, Function::Gettimeofday];
        match needed.iter().all(|function| vdso.offset(*function).is_some()) {
            true => Ok(vdso),
            false => Err(Uncovered::NoVdso),
        }
    }

    /// Bytes from its start to an instruction that calls the system.
    pub(crate) fn system_call(&self) -> u64 {
        self.system_call as u64
    }

    /// Bytes of the image.
    pub(crate) fn len(&self) -> usize {
        self.image.len()
    }

    /// Bytes from its start to a function.
    pub(crate) fn offset(&self, function: Function) -> Option<u64> {
        let symbol = self.symbols.iter().find(|symbol| symbol.function == Some(function))?;
        Some(symbol.value.wrapping_sub(self.bias))
    }

    /// The image for another address, `there`, whose symbols lead to `target` where there is one, and otherwise to the
    /// functions of the original at `here`. Addresses are differences modulo 2⁶⁴, which every reader of ELF symbols adds
    /// to the address of the image.
    pub(crate) fn shadow(&self, here: u64, there: u64, target: impl Fn(Function) -> Option<u64>) -> Vec<u8> {
        let mut image = self.image.clone();
        for symbol in &self.symbols {
            let original = here.wrapping_add(symbol.value.wrapping_sub(self.bias));
            let to = symbol.function.and_then(&target).unwrap_or(original);
            let value = to.wrapping_sub(there).wrapping_add(self.bias);
            image[symbol.at..symbol.at + 8].copy_from_slice(&value.to_le_bytes());
        }
        image
    }

    /// What has to be written where into the image at `here`, so that its symbols lead to `target`.
    pub(crate) fn patches(&self, here: u64, target: impl Fn(Function) -> Option<u64>) -> Vec<(u64, u64)> {
        let patch = |symbol: &Symbol| {
            let to = target(symbol.function?)?;
            Some((here.wrapping_add(symbol.at as u64), to.wrapping_sub(here).wrapping_add(self.bias)))
        };
        self.symbols.iter().filter_map(patch).collect()
    }
}

/// All defined symbols, and the address that the first segment wants.
fn symbols(image: &[u8]) -> Option<(Vec<Symbol>, u64)> {
    let elf = Elf::parse(image).ok()?;
    let first = elf.program_headers.iter().find(|header| header.p_type == PT_LOAD)?;
    let bias = first.p_vaddr.wrapping_sub(first.p_offset);
    let table = usize::try_from((elf.dynamic.as_ref()?.info.symtab as u64).wrapping_sub(bias)).ok()?;
    let mut symbols = Vec::new();
    for (i, symbol) in elf.dynsyms.iter().enumerate() {
        let at = table + i * SYMBOL_BYTES + VALUE_OFFSET;
        if symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS || at + 8 > image.len() {
            continue;
        }
        let function = function(elf.dynstrtab.get_at(symbol.st_name).unwrap_or_default());
        symbols.push(Symbol { function, value: symbol.st_value, at });
    }
    Some((symbols, bias))
}

fn function(name: &str) -> Option<Function> {
    match name {
        "clock_gettime" | "__vdso_clock_gettime" | "__kernel_clock_gettime" => Some(Function::ClockGettime),
        "gettimeofday" | "__vdso_gettimeofday" | "__kernel_gettimeofday" => Some(Function::Gettimeofday),
        "time" | "__vdso_time" => Some(Function::Time),
        _ => None,
    }
}

/// Every vDSO has one, for the clocks that it cannot read itself.
fn system_call(image: &[u8]) -> Option<usize> {
    if cfg!(target_arch = "x86_64") {
        image.windows(2).position(|bytes| bytes == [0x0f, 0x05])
    } else {
        // svc #0, aligned as every instruction is.
        image.chunks_exact(4).position(|bytes| bytes == [0x01, 0x00, 0x00, 0xd4]).map(|position| position * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The image that this process has.
    fn own() -> (u64, Vec<u8>) {
        let here = crate::sys::clock::own_vdso().unwrap();
        let mut start = vec![0; 4096];
        crate::sys::memory::read(std::process::id() as i32, here, &mut start).unwrap();
        let mut image = vec![0; image_bytes(&start).unwrap().next_multiple_of(4096)];
        crate::sys::memory::read(std::process::id() as i32, here, &mut image).unwrap();
        (here, image)
    }

    #[test]
    fn the_shadow_leads_to_the_targets_and_otherwise_to_the_original() {
        let (here, image) = own();
        let vdso = Vdso::parse(image).unwrap();
        let there = here.wrapping_sub(0x123_0000);
        let target = |function| (function == Function::ClockGettime).then_some(0x7777_0000);
        let shadow = Vdso::parse(vdso.shadow(here, there, target)).unwrap();
        let leads_to = |function| there.wrapping_add(shadow.offset(function).unwrap());
        assert_eq!(leads_to(Function::ClockGettime), 0x7777_0000);
        assert_eq!(leads_to(Function::Gettimeofday), here + vdso.offset(Function::Gettimeofday).unwrap());
        assert_eq!(shadow.len(), vdso.len());
        assert_eq!(shadow.symbols.len(), vdso.symbols.len());
    }

    #[test]
    fn patches_change_both_names_of_a_function() {
        let (here, image) = own();
        let vdso = Vdso::parse(image.clone()).unwrap();
        let patches = vdso.patches(here, |_| Some(here + 0x1234));
        assert!(patches.len() >= 2, "{patches:?}");
        let mut patched = image;
        for (at, value) in patches {
            let at = (at - here) as usize;
            patched[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        assert_eq!(Vdso::parse(patched).unwrap().offset(Function::ClockGettime), Some(0x1234));
    }

    #[test]
    fn what_is_no_vdso_is_none() {
        assert_eq!(image_bytes(b"\x7fELF\x01\x01"), None);
        assert_eq!(image_bytes(&[0; 4096]), None);
        assert_eq!(Vdso::parse(vec![0; 4096]).err(), Some(Uncovered::NoVdso));
        let (_, mut image) = own();
        image.truncate(300);
        assert_eq!(Vdso::parse(image).err(), Some(Uncovered::NoVdso));
    }
}
