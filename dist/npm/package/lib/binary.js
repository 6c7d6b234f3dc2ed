// Where the program is: in the package of this machine's platform, an optional dependency of this one. Nothing is
// downloaded or run at installation, so that `--ignore-scripts` changes nothing.

const { name, optionalDependencies = {} } = require("../package.json");

/** The path of the `rollcall` program. Throws an Error that says what to do when it is not there. */
exports.binary = function binary() {
  const platform = `${name}-${process.platform}-${process.arch}`;
  const version = optionalDependencies[platform];
  if (version === undefined) {
    const known = Object.keys(optionalDependencies).map((each) => each.slice(name.length + 1));
    throw new Error(
      `there is no program for ${process.platform} on ${process.arch}, only for ${known.join(", ")}; ` +
        "run the container image, or build it from its source with `cargo install`",
    );
  }
  try {
    return require.resolve(`${platform}/bin/rollcall`);
  } catch {
    throw new Error(
      `the package ${platform} is not installed; it is an optional dependency, so install without --omit=optional ` +
        `(or --no-optional), or add it: npm install ${platform}@${version}`,
    );
  }
};
