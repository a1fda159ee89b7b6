// What the lives share. Each is a program of its own, which prints at its end what the test looks at; an assertion that fails ends it.
const quick = { minDelay: 1, maxDelay: 2, maxWaitTime: 60 };

async function all(pages, read) {
  const found = [];
  for await (const page of pages) found.push(...(read(page) ?? []));
  return found;
}

function live(main) {
  main().then(
    (said) => console.log(JSON.stringify(said)),
    (error) => {
      console.error(error);
      process.exitCode = 1;
    },
  );
}

module.exports = { all, live, quick };
