// node layout.mjs FOLDER NAME
//
// Gives the one image in an OCI layout its name, in the two ways that those who load archives look for one: annotations
// in index.json, and manifest.json, by which `crane push` and older engines find their way. Prints the image's digest.
import { readFileSync, writeFileSync } from "node:fs";

const [folder, name] = process.argv.slice(2);
const read = (file) => JSON.parse(readFileSync(`${folder}/${file}`, "utf8"));
const write = (file, value) => writeFileSync(`${folder}/${file}`, JSON.stringify(value));
const blob = (digest) => `blobs/${digest.replace(":", "/")}`;

const { manifests } = read("index.json");
const [{ mediaType, size, digest }] = manifests;
const manifest = read(blob(digest));
const { architecture, os } = read(blob(manifest.config.digest));
const annotations = { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.split(":").at(-1) };
write("index.json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ mediaType, size, digest, platform: { architecture, os }, annotations }],
});
write("manifest.json", [
    { Config: blob(manifest.config.digest), RepoTags: [name], Layers: manifest.layers.map((layer) => blob(layer.digest)) },
]);
console.log(digest);
