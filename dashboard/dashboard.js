// Asks for /api/v1/status once a second, for segments and versions now and then, and shows them. Only textContent is ever set: what the daemon tells is text.
"use strict";

const POLL_MS = 1000, HIDDEN_POLL_MS = 5000, TIMEOUT_MS = 4000, DETAILS_MS = 5000, HISTORY = 60, LATEST = 14, DRIFT = 6, VERSIONS = 6, MOVES = 8;
const REVISIONS = 2 ** 32; // model_version = promotion * 2^32 + revision
// The usual reading of the index. Whether a shift is an alert depends on more: that is the daemon's to say.
const PSI_MODERATE = 0.1, PSI_LARGE = 0.25;

const WHY = /, (because|as time went by:|segments redrawn:) /; // what follows is the reason, shown quietly

const $ = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const percent = new Intl.NumberFormat("en", {style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1});
const fine = new Intl.NumberFormat("en", {minimumFractionDigits: 3, maximumFractionDigits: 3});

const rates = [];
const recoveries = new Map(); // partition and phase: the most that was left, for a bar
let last = null; // the status before, for events per second
let answeredAt = 0;
let details = new Map(); // segment_id: what the catalogue says of it
let detailsAt = 0, detailsOf = -1; // when the catalogue was asked for, and under which model version
let candidate = 0; // version that waits for a person; 0: none

const number = (value) => typeof value === "number" && value >= 0 ? whole.format(value) : "–";
const plural = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`;
const words = (code) => code.replaceAll("_", " ");

function setText(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

function streamTime(ms) {
	if (typeof ms !== "number")
		return ["–", ""];
	const iso = new Date(ms).toISOString();
	return [iso.slice(0, 10), `${iso.slice(11, 16)} UTC`];
}

function duration(seconds) {
	const units = [["d", 86400], ["h", 3600], ["min", 60]];
	for (let i = 0; i < units.length; i++) {
		const [name, size] = units[i];
		if (seconds >= size) {
			const rest = i + 1 < units.length ? Math.floor(seconds % size / units[i + 1][1]) : 0;
			return `${Math.floor(seconds / size)} ${name}` + (rest ? ` ${rest} ${units[i + 1][0]}` : "");
		}
	}
	return `${Math.floor(seconds)} s`;
}

// Fills a table's body, reusing its cells so that a selection or a screen reader's place survives the next second.
// A cell: {text, kind, bar: 0..1, colour}; the first of a row is its header.
function fillTable(id, rows) {
	const body = $(id).tBodies[0];
	while (body.rows.length > rows.length)
		body.deleteRow(-1);
	rows.forEach((cells, i) => {
		const row = body.rows[i] || body.insertRow();
		cells.forEach((cell, j) => fillCell(row, j, cell));
	});
	$(id).hidden = rows.length === 0;
	if ($(`${id}-empty`))
		$(`${id}-empty`).hidden = rows.length > 0;
}

function fillCell(row, j, cell) {
	let element = row.cells[j];
	if (!element) {
		element = document.createElement(j === 0 ? "th" : "td");
		if (j === 0)
			element.scope = "row";
		element.append(document.createElement("span"));
		row.append(element);
	}
	element.className = cell.kind || "";
	setText(element.firstChild, cell.text);
	fillNote(element, cell.note || "");
	if (cell.bar === undefined) {
		element.querySelector(".track")?.remove();
		return;
	}
	if (!element.querySelector(".track")) {
		const track = document.createElement("span");
		track.className = "track";
		track.append(document.createElement("span"));
		element.append(track);
	}
	const fill = element.querySelector(".track").firstChild;
	fill.className = `fill c${cell.colour || 0}`;
	fill.style.width = `${Math.max(0, Math.min(1, cell.bar || 0)) * 100}%`;
}

// A line of small print below the cell's text.
function fillNote(element, text) {
	let note = element.querySelector(".note");
	if (!note && text) {
		note = document.createElement("small");
		note.className = "note";
		element.firstChild.after(note);
	}
	if (note && !text)
		note.remove();
	else if (note)
		setText(note, text);
}

// {reason: count} as rows, the largest first.
function countRows(counts) {
	const entries = Object.entries(counts || {}).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
	const most = entries.length ? entries[0][1] : 0;
	return entries.map(([name, count]) => [
		{text: words(name), bar: most > 0 ? count / most : 0},
		{text: number(count), kind: "num"},
	]);
}

function sum(counts) {
	return Object.values(counts || {}).reduce((a, b) => a + b, 0);
}

// The catalogue's description of a segment, and the name that its alias stands for.
function segmentNote(segment) {
	const more = details.get(segment.segment_id) || {};
	const named = more.alias && more.name && more.name !== segment.name ? `named ${more.name}. ` : "";
	return (named + (more.description || "")).trim();
}

function showSegments(status) {
	const segments = [...(status.segments || [])].sort((a, b) => b.customers - a.customers);
	const most = segments.length ? segments[0].share : 0;
	fillTable("segments", segments.map((segment) => {
		// A segment keeps its colour while others come and go: it is its id's, not its place's.
		const colour = parseInt(String(segment.segment_id).replace(/\D/g, "") || "0", 10) % 8;
		return [
			{text: segment.name || segment.segment_id, note: segmentNote(segment), bar: most > 0 ? segment.share / most : 0, colour},
			{text: number(segment.customers), kind: "num"},
			{text: percent.format(segment.share), kind: "num"},
		];
	}));
	setText($("customers-note"), segments.length ? `in ${plural(segments.length, "segment")}` : "not yet in segments");
}

function showLatest(status) {
	const list = $("latest"), changes = (status.latest_changes || []).slice(0, LATEST);
	while (list.children.length > changes.length)
		list.lastChild.remove();
	changes.forEach((text, i) => {
		let item = list.children[i];
		if (!item) {
			item = document.createElement("li");
			item.append(document.createElement("span"), document.createElement("span"));
			item.lastChild.className = "because";
			list.append(item);
		}
		const cut = text.search(WHY);
		setText(item.firstChild, cut < 0 ? text : text.slice(0, cut));
		setText(item.lastChild, cut < 0 ? "" : words(text.slice(cut)));
	});
	$("latest-empty").hidden = changes.length > 0;
}

function partitionState(partition) {
	const recovery = partition.recovery, running = partition.state === "running";
	if (!recovery)
		return {text: words(partition.state), kind: running ? "level-good" : "level-wait"};
	const left = typeof recovery.seconds_left === "number" ? `, about ${duration(recovery.seconds_left)}` : "";
	const text = `${words(partition.state)}: ${recovery.phase}, ${plural(recovery.remaining, "record")} left${left}`;
	const key = `${partition.partition} ${recovery.phase}`;
	const most = Math.max(recoveries.get(key) || 0, recovery.remaining, 1);
	recoveries.set(key, most);
	return {text, kind: "level-wait", bar: 1 - recovery.remaining / most, colour: 2};
}

// Bars of recoveries that are over are forgotten: the next one begins anew.
function forgetRecoveries(rows) {
	const now = new Set(rows.filter(([, p]) => p.recovery).map(([, p]) => `${p.partition} ${p.recovery.phase}`));
	for (const key of recoveries.keys()) {
		if (!now.has(key))
			recoveries.delete(key);
	}
}

function showPartitions(status) {
	const rows = [];
	for (const worker of status.workers || []) {
		for (const partition of worker.partitions || [])
			rows.push([worker, partition]);
	}
	rows.sort((a, b) => a[1].partition - b[1].partition);
	forgetRecoveries(rows);
	fillTable("partitions", rows.map(([worker, partition]) => [
		{text: String(partition.partition), kind: "num"},
		partitionState(partition),
		{text: number(partition.lag), kind: "num"},
		{text: streamTime(partition.stream_time_ms).join(" ").trim()},
		{text: number(partition.customers), kind: "num"},
		{text: number(partition.seq), kind: "num"},
		{text: String(worker.worker), kind: "num"},
	]));
}

// "segment:s4/feature:monetary" as "lapsing high-value: monetary".
function subjectWords(subject, segments) {
	if (subject === "shares")
		return "sizes of segments";
	return subject.split("/").map((part) => {
		const [kind, name] = [part.slice(0, part.indexOf(":")), part.slice(part.indexOf(":") + 1)];
		const segment = kind === "segment" && (segments || []).find((one) => one.segment_id === name);
		return segment ? segment.name : words(name);
	}).join(": ");
}

function showDrift(status) {
	const subjects = (status.drift || []).filter((row) => typeof row.psi === "number").sort((a, b) => b.psi - a.psi);
	$("drift-card").hidden = subjects.length === 0;
	setText($("drift-note"), "population stability index" + (subjects.length > DRIFT ?
		`, the ${DRIFT} highest of ${subjects.length}` : ""));
	fillTable("drift", subjects.slice(0, DRIFT).map(({subject, psi}) => {
		const [level, kind, colour] = psi >= PSI_LARGE ? ["large", "level level-bad", 4] :
			psi >= PSI_MODERATE ? ["moderate", "level level-wait", 2] : ["small", "level level-good", 1];
		return [
			{text: subjectWords(subject, status.segments), bar: psi / PSI_LARGE, colour},
			{text: level, kind},
			{text: fine.format(psi), kind: "num"},
		];
	}));
}

function showRate(status) {
	const seconds = last ? status.uptime_s - last.uptime_s : 0;
	if (seconds < 0 || (last && status.events < last.events)) { // the daemon was started anew
		rates.length = 0;
		last = null;
	} else if (last && seconds > 0) {
		rates.push((status.events - last.events) / seconds);
		if (rates.length > HISTORY)
			rates.shift();
	}
	last = {uptime_s: status.uptime_s, events: status.events};
	setText($("rate"), rates.length ? number(rates[rates.length - 1]) : "–");
	setText($("events"), `${plural(status.events, "event")} since the start`);
	const most = Math.max(...rates, 1);
	const span = Math.max(rates.length, HISTORY / 3) - 1; // it grows from the right and then draws together
	const points = rates.map((rate, i) =>
		`${(120 - 120 * (rates.length - 1 - i) / span).toFixed(1)},${(34 - 30 * rate / most).toFixed(1)}`);
	$("spark-line").setAttribute("points", points.join(" "));
	$("spark-area").setAttribute("points", points.length ?
		`${points[0].split(",")[0]},36 ${points.join(" ")} 120,36` : "");
}

function showTiles(status) {
	const changes = sum(status.changes_by_reason), dead = sum(status.dead_letters), version = status.model_version || 0;
	const [date, time] = streamTime(status.stream_time_ms);
	setText($("customers"), number(status.customers));
	setText($("changes"), number(changes));
	setText($("changes-note"), "since the start");
	setText($("dead"), number(dead));
	setText($("dead-note"), dead ? "kept with their reason" : "all records usable");
	setText($("model"), version ? `v${Math.floor(version / REVISIONS)}` : "–");
	setText($("model-note"), version ? `revision ${number(version % REVISIONS)}` : "waits for customers");
	setText($("time"), date);
	setText($("time-note"), time);
}

function showState(status) {
	const failed = (status.workers || []).filter((worker) => worker.error || worker.state === "failed");
	const [text, kind] = failed.length ? ["Failed", "bad"] : status.ready ? ["Running", "good"] : ["Not ready yet", "wait"];
	setText($("state"), text);
	$("state").className = `pill ${kind}`;
	notice(failed.map((worker) => `Worker ${worker.worker} has failed: ${worker.error || "see the log"}`).join("\n"));
	setText($("app"), status.app);
	setText($("instance"), `${status.instance} · segmentd ${status.version} · up ${duration(status.uptime_s)}`);
	const title = status.app === "segmentd" ? "segmentd" : `${status.app} · segmentd`;
	if (document.title !== title)
		document.title = title;
}

function notice(text) {
	setText($("notice"), text);
	$("notice").hidden = text === "";
}

function show(status) {
	answeredAt = Date.now();
	document.body.classList.remove("stale");
	showState(status);
	showRate(status);
	showTiles(status);
	showSegments(status);
	showLatest(status);
	fillTable("reasons", countRows(status.changes_by_reason));
	fillTable("letters", countRows(status.dead_letters));
	showDrift(status);
	showPartitions(status);
	setText($("updated"), `Updated ${new Date(answeredAt).toLocaleTimeString()}`);
}

function showUnreachable(why) {
	document.body.classList.add("stale");
	setText($("state"), "Not reachable");
	$("state").className = "pill bad";
	last = null;
	notice(`segmentd does not answer (${why}). ` + (answeredAt ?
		`The figures below are of ${new Date(answeredAt).toLocaleTimeString()}.` : "Is it running?") +
		" This page asks again by itself.");
}

async function ask(path, options) {
	const stop = new AbortController();
	const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
	try {
		const answer = await fetch(path, {signal: stop.signal, cache: "no-store", ...options});
		if (!answer.ok && path === "/api/v1/status")
			throw new Error(`HTTP ${answer.status}`);
		const told = await answer.json();
		if (!answer.ok)
			throw new Error(told.detail || `HTTP ${answer.status}`);
		return told;
	} finally {
		clearTimeout(timer);
	}
}

// ---- versions ----

function showCandidate(one) {
	const changed = candidate !== (one ? one.version : 0);
	candidate = one ? one.version : 0;
	$("candidate").hidden = !one;
	if (!one || !changed)
		return;
	fillTable("moves", []);
	setText($("candidate-said"), "");
	setText($("candidate-text"), `Version ${one.version} waits for a person: ${plural(one.k, "segment")}` +
		(one.reason ? `, fitted for ${words(one.reason)}` : "") + (one.base ? `, against version ${one.base}.` : "."));
}

function showModels(told) {
	const versions = [...(told.versions || [])].sort((a, b) => b.version - a.version);
	$("models-card").hidden = versions.length === 0;
	setText($("models-note"), versions.length > VERSIONS ? `the newest ${VERSIONS} of ${versions.length}` : "");
	showCandidate(versions.find((one) => one.state === "candidate"));
	fillTable("models", versions.slice(0, VERSIONS).map((one) => [
		{text: String(one.version), kind: "num"},
		{text: one.state + (one.restored_from ? `, as ${one.restored_from}` : ""),
			kind: one.state === "current" ? "level-good" : one.state === "candidate" ? "level-wait" : ""},
		{text: streamTime(one.promoted_ms).join(" ").trim()},
		{text: one.reason ? words(one.reason) : "–"},
		{text: number(one.k), kind: "num"},
	]));
}

// Quietly: what is missing here is missing, the status tells whether segmentd answers.
async function askDetails(version) {
	if (Date.now() - detailsAt < DETAILS_MS && version === detailsOf)
		return;
	detailsAt = Date.now();
	detailsOf = version;
	try {
		const [segments, models] = await Promise.all([ask("/api/v1/segments"), ask("/api/v1/models")]);
		details = new Map((segments.segments || []).map((one) => [one.segment_id, one]));
		showModels(models);
	} catch {
		detailsOf = -1;
	}
}

async function say(what) {
	setText($("candidate-said"), "…");
	try {
		setText($("candidate-said"), await what());
	} catch (error) {
		setText($("candidate-said"), `Not done: ${error.message}`);
	}
}

async function compare() {
	const told = await ask(`/api/v1/models/${candidate}/diff`);
	const name = (id) => (details.get(id) || {}).alias || (details.get(id) || {}).name || id || "none";
	const newName = (id) => ((told.segments || []).find((one) => one.segment_id === id) || {}).name || name(id);
	const moves = (told.matrix || []).filter((row) => row.from !== row.to).sort((a, b) => b.customers - a.customers);
	fillTable("moves", moves.slice(0, MOVES).map((row) => [
		{text: name(row.from)}, {text: newName(row.to)}, {text: number(row.customers), kind: "num"}]));
	return `${number(told.moved)} of ${number(told.sample)} sampled customers would move.`;
}

// The token stays in its field: nothing keeps it, and it goes with this one request.
async function promote() {
	await ask(`/api/v1/models/${candidate}/promote`,
		{method: "POST", headers: {Authorization: `Bearer ${$("token").value}`}});
	$("token").value = "";
	detailsOf = -1;
	return "Accepted: it becomes the model with the next commit.";
}

$("compare").addEventListener("click", () => say(compare));
$("promote").addEventListener("click", () => say(promote));
$("moves").hidden = true;

async function poll() {
	let status = null;
	try {
		status = await ask("/api/v1/status");
	} catch (error) {
		showUnreachable(error.name === "AbortError" ? "no answer in time" :
			error.name === "TypeError" ? "no connection" : error.message);
	}
	if (status) {
		try {
			await askDetails(status.model_version);
			show(status);
		} catch (error) {
			notice(`This page has a fault: ${error.message}. The figures are at /api/v1/status.`);
			console.error(error);
		}
	}
	setTimeout(poll, document.hidden ? HIDDEN_POLL_MS : POLL_MS);
}

poll();
