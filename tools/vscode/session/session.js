// What a person would look at: colours, the message of a misspelt name, a hover, hints behind the lines. Leaves pictures.
"use strict";

const assert = require("node:assert");
const puppeteer = require("puppeteer-core");

const [directory, executablePath] = process.argv.slice(2);
const PATIENCE = 300000; // milliseconds, on a busy machine

async function main() {
  const browser = await puppeteer.launch({
    executablePath,
    headless: true,
    userDataDir: `${directory}/chromium`,
    protocolTimeout: PATIENCE,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.setViewport({ width: 1400, height: 900 });
  const picture = (name) => page.screenshot({ path: `${directory}/${name}.png` });
  const open = async (name) => {
    const row = await page.waitForSelector(`.explorer-folders-view [aria-label^="${name}"]`);
    await row.click();
    await page.waitForSelector(`.tab.active[data-resource-name="${name}"]`);
  };
  const lines = () => page.$$eval(".view-line", (all) => all.map((line) => line.textContent.replace(/\u00a0/g, " ")));
  const problems = () => page.$eval("#status\\.problems", (item) => item.textContent.trim());
  const wait = (what, condition, ...args) => {
    console.log(`waiting for ${what}`);
    return page.waitForFunction(condition, {}, ...args);
  };

  for (let tries = 0; ; tries++) {
    try {
      await page.goto(`http://127.0.0.1:8099/?folder=${directory}/work`, { waitUntil: "domcontentloaded" });
      break;
    } catch (error) {
      if (tries === 60) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000)); // the server is not up yet
    }
  }
  await open("mnist_c.mpc");
  await wait("hints", () => [...document.querySelectorAll(".view-line")].some((line) => /round/.test(line.textContent)));
  assert.ok((await lines()).some((line) => line.includes("relu(dense(flatten") && /[0-9,]+ rounds, [0-9.]+ Gbit/.test(line)));
  assert.match(await problems(), /^0\b/, "no errors in the status bar");
  await picture("hints");

  await open("wrong.mpc");
  await wait("the message", () => document.querySelector(".squiggly-error"));
  assert.match(await problems(), /^1\b/, "one error in the status bar");
  const colours = await page.$$eval(".view-line span[class*=mtk]", (spans) => new Set(spans.map((s) => s.className)).size);
  assert.ok(colours >= 5, `${colours} colours`);

  const word = await page.evaluateHandle(() =>
    [...document.querySelectorAll(".view-line span[class*=mtk]")].find((span) => span.textContent.trim() === "sigmoid"));
  const box = await word.asElement().boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 5 });
  await wait("the hover", () => /fn sigmoid/.test(document.querySelector(".monaco-hover-content")?.textContent ?? ""));
  await picture("message-and-hover");
  await browser.close();
  console.log(`all as it should be; pictures in ${directory}`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
