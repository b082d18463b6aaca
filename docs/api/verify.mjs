#!/usr/bin/env node
// node docs/api/verify.mjs JWKS_FILE < TOKEN: the claims of a token that one of these keys signed and that has not expired, or why not.
import { readFileSync } from "node:fs";
import process from "node:process";

import { verify } from "./offline.mjs";

try {
  const jwks = JSON.parse(readFileSync(process.argv[2], "utf8"));
  const { claims } = verify(readFileSync(0, "utf8").trim(), jwks);
  console.log(JSON.stringify(claims, null, 2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
