module.exports = { testMatch: ["**/*.test.cjs"], moduleFileExtensions: ["cjs", "js", "json"], transform: {} };
