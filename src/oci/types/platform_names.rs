//! Names of platforms: Go's names of systems and architectures, which images use, and the names in
//! other tools.

/// `GOOS` values (go/src/internal/syslist, Go 1.25), and `wasi`, which Docker uses.
const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasi",
    "wasip1",
    "wasip2",
    "windows",
    "zos",
];

/// `GOARCH` values (the same list).
const ARCHITECTURES: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// Other names of architectures: `uname -m`, RPM, Debian, Docker Hub's organisations. A variant
/// follows if the name implies one; containerd and regsync interpret `armhf` and `armel` this way.
const ALIASES: &[(&str, &str, Option<&str>)] = &[
    ("x86_64", "amd64", None),
    ("x86-64", "amd64", None),
    ("x64", "amd64", None),
    ("em64t", "amd64", None),
    ("x86_64_v1", "amd64", Some("v1")),
    ("x86_64_v2", "amd64", Some("v2")),
    ("x86_64_v3", "amd64", Some("v3")),
    ("x86_64_v4", "amd64", Some("v4")),
    ("amd64v1", "amd64", Some("v1")),
    ("amd64v2", "amd64", Some("v2")),
    ("amd64v3", "amd64", Some("v3")),
    ("amd64v4", "amd64", Some("v4")),
    ("x86", "386", None),
    ("x86_32", "386", None),
    ("ia32", "386", None),
    ("i386", "386", None),
    ("i486", "386", None),
    ("i586", "386", None),
    ("i686", "386", None),
    ("athlon", "386", None),
    ("aarch64", "arm64", None),
    ("aarch64_be", "arm64be", None),
    ("armv8", "arm64", None),
    ("armv9", "arm64", None),
    ("arm64v8", "arm64", Some("v8")),
    ("arm64v9", "arm64", Some("v9")),
    ("arm64e", "arm64", None),
    ("armhf", "arm", Some("v7")),
    ("armhfp", "arm", Some("v7")),
    ("armel", "arm", Some("v6")),
    ("arm32", "arm", None),
    ("aarch32", "arm", None),
    ("arm32v5", "arm", Some("v5")),
    ("arm32v6", "arm", Some("v6")),
    ("arm32v7", "arm", Some("v7")),
    ("arm32v8", "arm", Some("v8")),
    ("armv5", "arm", Some("v5")),
    ("armv5l", "arm", Some("v5")),
    ("armv5tl", "arm", Some("v5")),
    ("armv5tel", "arm", Some("v5")),
    ("armv5tejl", "arm", Some("v5")),
    ("armv6", "arm", Some("v6")),
    ("armv6l", "arm", Some("v6")),
    ("armv6hl", "arm", Some("v6")),
    ("armv7", "arm", Some("v7")),
    ("armv7l", "arm", Some("v7")),
    ("armv7hl", "arm", Some("v7")),
    ("armv7hnl", "arm", Some("v7")),
    ("armv7a", "arm", Some("v7")),
    ("armv8l", "arm", Some("v8")),
    ("ppc64el", "ppc64le", None),
    ("powerpc64le", "ppc64le", None),
    ("powerpc64", "ppc64", None),
    ("powerpc", "ppc", None),
    ("ppc64p7", "ppc64", None),
    ("mipsel", "mipsle", None),
    ("mips64el", "mips64le", None),
    ("loongarch64", "loong64", None),
    ("loongarch", "loong64", None),
    ("riscv64gc", "riscv64", None),
    ("sun4u", "sparc64", None),
    ("sparcv9", "sparc64", None),
];

/// Other names of systems.
const SYSTEM_ALIASES: &[(&str, &str)] = &[
    ("macos", "darwin"),
    ("osx", "darwin"),
    ("win", "windows"),
    ("win32", "windows"),
    ("sunos", "solaris"),
];

/// Additional parts of Uyuni's labels of channels, packages and servers: `channel-x86_64`,
/// `amd64-deb`, `aarch64-redhat-linux`.
const LABEL_BEGINS: &[&str] = &["channel-"];
const LABEL_ENDS: &[&str] = &[
    "-deb",
    "-redhat-linux",
    "-debian-linux",
    "-suse-linux",
    "-linux-gnu",
    "-linux",
];

/// The architecture of a name, and the variant if it implies one. `None`: unknown.
pub(super) fn architecture(word: &str) -> Option<(&'static str, Option<&'static str>)> {
    let word = word.to_ascii_lowercase();
    exact(&word).or_else(|| {
        let rest = LABEL_BEGINS
            .iter()
            .find_map(|begin| word.strip_prefix(begin));
        let rest = rest.unwrap_or(&word);
        let end = LABEL_ENDS.iter().find_map(|end| rest.strip_suffix(end));
        exact(end.unwrap_or(rest))
    })
}

fn exact(word: &str) -> Option<(&'static str, Option<&'static str>)> {
    let known = ARCHITECTURES.iter().find(|known| **known == word);
    known.map(|known| (*known, None)).or_else(|| {
        let alias = ALIASES.iter().find(|(alias, ..)| *alias == word);
        alias.map(|(_, architecture, variant)| (*architecture, *variant))
    })
}

/// The system of a name.
pub(in crate::oci) fn system(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let known = SYSTEMS.iter().find(|known| **known == word).copied();
    known.or_else(|| {
        let alias = SYSTEM_ALIASES.iter().find(|(alias, _)| *alias == word);
        alias.map(|(_, system)| *system)
    })
}

/// A variant as images write it: `v7`, `v8.2`, `v3`. `None`: no architecture has such a variant.
pub(super) fn variant(word: &str) -> Option<String> {
    const NAMED: &[&str] = &[
        "hardfloat",
        "softfloat",
        "power8",
        "power9",
        "power10",
        "power11",
        "rva20u64",
        "rva22u64",
        "rva23u64",
    ];
    let word = word.to_ascii_lowercase();
    let number = word.strip_prefix('v').unwrap_or(&word);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = number.split('.').collect();
    if number.len() <= 5 && parts.len() <= 2 && parts.iter().all(|part| is_number(part)) {
        return Some(format!("v{number}"));
    }
    NAMED.contains(&word.as_str()).then_some(word)
}

/// The known architecture that was probably meant.
pub(super) fn architecture_near(word: &str) -> Option<&'static str> {
    let words = ALIASES.iter().map(|(alias, ..)| *alias);
    near(word, ARCHITECTURES.iter().copied().chain(words))
}

/// The known system that was probably meant.
pub(super) fn system_near(word: &str) -> Option<&'static str> {
    let words = SYSTEM_ALIASES.iter().map(|(alias, _)| *alias);
    near(word, SYSTEMS.iter().copied().chain(words))
}

fn near(word: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let word: String = word.chars().take(64).collect::<String>().to_lowercase();
    // About a third of a word may be wrong; of several equally close names, Go's own comes first.
    let most = word.chars().count().div_ceil(3).clamp(1, 3);
    known
        .map(|known| (strsim::damerau_levenshtein(&word, known), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
