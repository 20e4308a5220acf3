// Open pages in headless Chromium with the network cut: no console error, no request, no finding of axe-core.
//
//     npm install playwright-core axe-core          (in a folder of its own; Chromium must be installed)
//     NODE_PATH=FOLDER/node_modules node bench/pages/axe.mjs PAGE.html ... [--shots FOLDER]
//
// Each page is looked at in 1100 and 360 pixels, light and dark; a page wider than the window is a finding too.
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.env.NODE_PATH}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const given = process.argv.slice(2);
const at = given.indexOf("--shots");
const shots = at >= 0 ? given.splice(at, 2)[1] : null;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let findings = 0;
for (const page of given) {
  for (const width of [1100, 360]) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true, offline: true });
      const tab = await context.newPage();
      const told = [];
      tab.on("console", (message) => ["error", "warning"].includes(message.type()) && told.push(message.text()));
      tab.on("pageerror", (error) => told.push(String(error)));
      tab.on("request", (request) => /^(file|data):/.test(request.url()) || told.push(`asked for ${request.url()}`));
      await tab.goto(`file://${resolve(page)}`);
      const wide = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wide > 0) told.push(`${wide} pixels wider than the window`);
      for (const button of await tab.locator("table.sorts th button").all()) await button.click();
      await tab.addScriptTag({ content: axe });
      const { violations } = await tab.evaluate(() => axe.run(document));
      for (const one of violations) told.push(`${one.id}: ${one.help} (${one.nodes.length}: ${one.nodes[0].html.slice(0, 120)})`);
      if (shots) await tab.screenshot({ path: `${shots}/${basename(page, ".html")}-${width}-${colorScheme}.png`, fullPage: true });
      findings += told.length;
      console.log(`${basename(page)} ${width} ${colorScheme}: ${told.length ? told.join("; ") : "nothing found"}`);
      await context.close();
    }
  }
}
await browser.close();
console.log(`findings: ${findings}`);
process.exit(findings ? 1 : 0);
