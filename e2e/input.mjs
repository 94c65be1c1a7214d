// What the scripts here share: one JSON object on stdin, one on stdout, and a
// non-zero exit with the reason on stderr.

/** Reads the whole of stdin as one JSON object. */
async function input() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

/** Runs `work` on the input and prints what it returns. */
export async function main(work) {
  try {
    process.stdout.write(JSON.stringify(await work(await input()), null, 2) + '\n');
  } catch (err) {
    // openid-client keeps the server's own words in these.
    const { name, code, error, error_description, status } = err;
    const cause = err.cause instanceof Error ? err.cause.message : err.cause;
    process.stderr.write(JSON.stringify({ name, code, message: err.message, error, error_description, status, cause }) + '\n');
    process.exitCode = 1;
  }
}
