// node sbom.mjs NAME VERSION ARCH DIGEST PACKAGE…
//
// Prints what is in the image, in CycloneDX: the crates that are linked into the binary, Rust's own library, and the
// Debian packages that files were taken from. Only what is in the image is listed: no macro, build script or
// development dependency, and no crate that Cargo.lock holds for a feature that is off. cargo-cyclonedx, which goes by
// `cargo metadata`, lists those too: ring and quinn, for two.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const [repository, version, arch, digest, ...packages] = process.argv.slice(2);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = (program, ...args) => execFileSync(program, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });

/** The value of a line `name: value` or `name="value"` of a text. */
function field(text, name) {
    const line = text.split("\n").find((it) => it.startsWith(name));
    return line?.slice(name.length).replace(/^[:=]\s*/, "").replaceAll('"', "");
}

/** The checksums that Cargo.lock holds, by purl. */
function checksums() {
    const found = new Map();
    for (const block of readFileSync(`${root}/Cargo.lock`, "utf8").split("[[package]]")) {
        const [name, version, checksum] = ["name", "version", "checksum"].map((it) => field(block, `${it} = `));
        if (checksum) found.set(crate(name, version), checksum);
    }
    return found;
}

function crate(name, version) {
    return `pkg:cargo/${name}@${encodeURIComponent(version)}`;
}

/** The crates of the binary, and which uses which. */
function crates(target) {
    const tree = run(
        "cargo", "tree", "--locked", "--package", "credwright", "--target", target,
        "--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", "|{p}|{l}|",
    );
    const [components, uses, above, sums] = [new Map(), new Map(), [], checksums()];
    for (const line of tree.split("\n").filter(Boolean)) {
        const [depth, name, licence] = line.split("|");
        const [, id, version] = /^(\S+) v(\S+)/.exec(name);
        const purl = crate(id, version);
        above.length = Number(depth);
        if (above.length) uses.get(above.at(-1)).add(purl);
        above.push(purl);
        if (!uses.has(purl)) uses.set(purl, new Set());
        const hashes = sums.has(purl) ? [{ alg: "SHA-256", content: sums.get(purl) }] : undefined;
        const type = depth === "0" ? "application" : "library";
        const licenses = licence ? [{ expression: licence.replaceAll("/", " OR ") }] : undefined;
        components.set(purl, { type, "bom-ref": purl, name: id, version, hashes, licenses, purl });
    }
    const dependencies = [...uses].map(([ref, on]) => ({ ref, dependsOn: [...on].sort() }));
    return { components: [...components.values()], dependencies };
}

/** A Debian package as it is installed here. */
function debian(name) {
    const [found] = run("dpkg-query", "--show", "--showformat", "${Version} ${Architecture}\n", name).split("\n");
    const [version, arch] = found.split(" ");
    const system = readFileSync("/etc/os-release", "utf8");
    const [id, release] = [field(system, "ID="), field(system, "VERSION_ID=")];
    const purl = `pkg:deb/${id}/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${arch}&distro=${id}-${release}`;
    return { type: "library", "bom-ref": purl, name, version, purl };
}

const compiler = run("rustc", "-vV");
const release = field(compiler, "release");
const std = `pkg:generic/rust@${release}`;
const { components, dependencies } = crates(field(compiler, "host"));
const all = [
    ...components,
    { type: "library", "bom-ref": std, name: "rust", version: release, purl: std },
    ...packages.map(debian),
].sort((a, b) => (a.purl < b.purl ? -1 : 1));
const name = repository.split("/").at(-1);
const image = `pkg:oci/${name}@${encodeURIComponent(digest)}?arch=${arch}&repository_url=${repository}`;
const inside = all.filter((it) => it.type === "application" || !it.purl.startsWith("pkg:cargo/"));
const bill = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
        timestamp: new Date(Number(process.env.SOURCE_DATE_EPOCH) * 1000).toISOString(),
        component: { type: "container", "bom-ref": image, name, version, purl: image },
    },
    components: all,
    dependencies: [{ ref: image, dependsOn: inside.map((it) => it.purl) }, ...dependencies],
};
console.log(JSON.stringify(bill, null, 2));
