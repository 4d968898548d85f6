"use strict";
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  root.classList.add("js");

  // Pictures that stand in two places are held once.
  for (const image of all("img[data-same]")) image.src = document.getElementById(image.dataset.same).src;

  // The slider is a range input that lies over the pictures: dragging and keys are the browser's.
  for (const input of all(".stage input")) {
    const tell = () => {
      input.parentElement.style.setProperty("--at", `${input.value}%`);
      input.setAttribute("aria-valuetext", `original left of ${input.value} %`);
    };
    input.addEventListener("input", tell);
    tell();
  }

  for (const pick of all("[data-moments]")) {
    const moments = all(".moment", document.getElementById(pick.dataset.moments));
    const show = () => {
      const chosen = pick.querySelector("input:checked").value;
      for (const moment of moments) moment.hidden = moment.dataset.moment !== chosen;
    };
    pick.addEventListener("change", show);
    show();
  }

  for (const pick of all("[data-enlarge]")) {
    pick.addEventListener("change", (event) => {
      root.classList.toggle("pixels", event.target.value === "pixels");
    });
  }

  timeline(document.getElementById("lanes"));
  if (data.choosing) choosing(data.choosing);

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });

  function clock(seconds) {
    const tenths = Math.round(seconds * 10);
    const [hours, minutes] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60];
    const tail = `${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
  }

  function timeline(lanes) {
    const [cursor, tip] = [lanes.querySelector(".cursor"), lanes.querySelector(".tip")];
    for (const title of all(".lane title", lanes)) title.remove();
    const hide = () => { cursor.hidden = tip.hidden = true; };
    lanes.addEventListener("pointerleave", hide);
    lanes.addEventListener("pointermove", (event) => {
      const plot = event.target.closest(".plot");
      if (!plot) return hide();
      const [frame, outer] = [plot.getBoundingClientRect(), lanes.getBoundingClientRect()];
      const second = (event.clientX - frame.left) / frame.width * data.length;
      const near = 5 / frame.width * data.length;
      const lane = data.lanes[plot.parentElement.dataset.lane];
      const off = (part) => Math.max(part.begin - second, second - part.end, 0);
      const found = lane.parts.filter((part) => off(part) <= near).sort((a, b) => off(a) - off(b))[0];
      const force = strength(lane.curve, second);
      const here = found && force !== null ? `; ${Math.round(100 * force)}\u00a0% here` : "";
      tip.replaceChildren(Object.assign(document.createElement("b"), {
        textContent: `${lane.name} at ${clock(second)}`,
      }), found ? found.said + here : lane.nothing);
      cursor.hidden = tip.hidden = false;
      const x = event.clientX - outer.left;
      cursor.style.left = `${x}px`;
      tip.style.top = `${frame.bottom - outer.top + 6}px`;
      tip.style.left = `${Math.max(0, Math.min(x + 12, outer.width - tip.offsetWidth))}px`;
    });
  }

  // Between the bends of the course; null beyond it.
  function strength(curve, second) {
    const after = curve.findIndex(([time]) => time >= second);
    if (after < 1) return null;
    const [[begin, one], [end, other]] = [curve[after - 1], curve[after]];
    return one + (other - one) * (second - begin) / (end - begin || 1);
  }

  function choosing(facts) {
    const part = document.getElementById("choose");
    const [width, height] = facts.size;
    const ticks = all("input[name=track]", part);
    const list = part.querySelector(".zones");
    const said = part.querySelector("output");
    const command = part.querySelector("[data-command]");
    const download = part.querySelector("[data-download]");
    const canvases = all(".canvas", part);
    let zones = facts.zones.map((zone) => [...zone]);

    const make = (name, values, within) => {
      const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(values)) shape.setAttribute(key, value);
      return within.appendChild(shape);
    };
    const clean = (x0, y0, x1, y1) => {
      const within = (value, limit) => Math.min(Math.max(Math.round(value), 0), limit);
      const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)];
      const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)];
      const zone = [within(left, width - 1), within(top, height - 1), within(right, width), within(bottom, height)];
      return [zone[0], zone[1], Math.max(zone[2], zone[0] + 1), Math.max(zone[3], zone[1] + 1)];
    };

    function draw(canvas) {
      const svg = canvas.querySelector("svg");
      const size = Math.max(width / 40, 13 * width / (svg.getBoundingClientRect().width || width));
      svg.replaceChildren();
      for (const [track, x, y, w, h] of JSON.parse(svg.dataset.boxes)) {
        const on = ticks.some((tick) => Number(tick.value) === track && tick.checked);
        make("rect", { class: "under", x, y, width: w, height: h }, svg);
        make("rect", { class: on ? "box" : "box off", "data-track": track, x, y, width: w, height: h }, svg);
        const text = make("text", { x: x + size / 3, y: y > 1.4 * size ? y - size / 3 : y + h + size }, svg);
        text.style.fontSize = `${size}px`;
        text.textContent = `${on ? "✓ " : ""}${track}`;
      }
      for (const [x0, y0, x1, y1] of zones) {
        make("rect", { class: "zone", x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, svg);
      }
    }

    function tell() {
      const chosen = ticks.filter((tick) => tick.checked).map((tick) => tick.value);
      const only = chosen.length < ticks.length ? `--only ${chosen.join(",")}` : "";
      const parts = ["videnhance enhance", facts.source, "-o", facts.output,
        "--tracks tracks.json", only, facts.options];
      command.textContent = chosen.length ? parts.filter(Boolean).join(" ") : "Tick at least one person.";
      for (const button of all("[data-copy], [data-download]", part)) button.disabled = !chosen.length;
      canvases.forEach(draw);
    }

    function row(zone, index) {
      const item = document.createElement("li");
      ["left", "top", "right", "bottom"].forEach((name, side) => {
        const label = Object.assign(document.createElement("label"), { textContent: name });
        const limit = side % 2 ? height : width;
        const input = Object.assign(document.createElement("input"), {
          type: "number", min: 0, max: limit, step: 1, value: zone[side],
        });
        input.setAttribute("aria-label", `Zone ${index + 1}, ${name}, pixels`);
        input.addEventListener("change", () => {
          const next = [...zones[index]];
          next[side] = Number(input.value);
          zones[index] = clean(...next);
          rows();
        });
        label.append(input);
        item.append(label);
      });
      const remove = Object.assign(document.createElement("button"), { type: "button", className: "small", textContent: "Remove" });
      remove.setAttribute("aria-label", `Remove zone ${index + 1}`);
      remove.addEventListener("click", () => {
        zones = zones.filter((_, other) => other !== index);
        rows();
        part.querySelector("[data-add]").focus();
      });
      item.append(remove);
      return item;
    }

    function rows() {
      list.replaceChildren(...zones.map(row));
      tell();
    }

    for (const canvas of canvases) {
      const svg = canvas.querySelector("svg");
      let from = null, shape = null;
      const place = (event) => {
        const frame = svg.getBoundingClientRect();
        return [(event.clientX - frame.left) / frame.width * width, (event.clientY - frame.top) / frame.height * height];
      };
      svg.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        from = { at: place(event), track: event.target.dataset.track };
        svg.setPointerCapture(event.pointerId);
        event.preventDefault();
      });
      svg.addEventListener("pointermove", (event) => {
        if (!from) return;
        const [x0, y0, x1, y1] = clean(...from.at, ...place(event));
        if (!shape && Math.max(x1 - x0, y1 - y0) < width / 150) return;
        shape = shape || make("rect", { class: "zone" }, svg);
        for (const [key, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) shape.setAttribute(key, value);
      });
      svg.addEventListener("pointerup", (event) => {
        if (!from) return;
        const begun = from;
        from = null;
        if (shape) {
          shape = null;
          zones.push(clean(...begun.at, ...place(event)));
          said.textContent = `Zone ${zones.length} drawn.`;
          rows();
        } else if (begun.track) {
          const tick = ticks.find((one) => one.value === begun.track);
          if (tick) tick.checked = !tick.checked;
          tell();
        }
      });
      svg.addEventListener("pointercancel", () => { from = shape = null; draw(canvas); });
    }

    const pick = part.querySelector("[data-views]");
    if (pick) pick.addEventListener("change", (event) => {
      for (const canvas of canvases) canvas.hidden = canvas.dataset.view !== event.target.value;
      canvases.forEach(draw);
    });
    for (const tick of ticks) tick.addEventListener("change", tell);
    part.querySelector("[data-add]").addEventListener("click", () => {
      zones.push(clean(width * 0.4, height * 0.4, width * 0.6, height * 0.6));
      rows();
      list.lastElementChild.querySelector("input").focus();
    });
    part.querySelector("[data-copy]").addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(command.textContent);
        said.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(command);
        said.textContent = "Marked: copy it with Ctrl-C.";
      }
    });
    download.addEventListener("click", async () => {
      try {
        const text = await tracksFile(facts, zones);
        const link = Object.assign(document.createElement("a"), {
          href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "tracks.json",
        });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60000);
        said.textContent = "tracks.json is in your downloads; run the command beside it.";
      } catch (error) {
        said.textContent = `This browser cannot unpack the tracks (${error.message}); try a newer one.`;
      }
    });
    rows();
  }

  // The inverse of evidence/packed.py, and track_file.write_tracks in the browser.
  async function tracksFile(facts, zones) {
    const lines = [];
    for (const track of facts.tracks) lines.push(JSON.stringify(entry(track, await columns(track), facts.base)));
    const drawn = zones.map(([x0, y0, x1, y1]) => JSON.stringify({ x0, y0, x1, y1 }));
    const block = (values) => values.length ? `[\n${values.join(",\n")}\n]` : "[]";
    return `{\n"format": "videnhance tracks",\n"version": 1,\n"source": ${JSON.stringify({ name: facts.name, size: facts.size })},\n` +
      `"time_base": "${facts.base.join("/")}",\n"zones": ${block(drawn)},\n"tracks": ${block(lines)}\n}\n`;
  }

  async function columns(track) {
    const bytes = Uint8Array.from(atob(track.columns), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const raw = new Uint8Array(await new Response(stream).arrayBuffer());
    const found = [];
    let at = 0;
    for (let column = 0; column < 16; column++) {
      const values = new Array(track.frames);
      let value = 0, step = 0;
      for (let frame = 0; frame < track.frames; frame++) {
        let number = 0, place = 1;
        for (;;) {
          const byte = raw[at++];
          number += (byte & 127) * place;
          if (byte < 128) break;
          place *= 128;
        }
        step += number % 2 ? -(number + 1) / 2 : number / 2;
        value += step;
        values[frame] = value;
      }
      found.push(values);
    }
    return found;
  }

  function entry(track, found, base) {
    const each = (make) => found[0].map((_, frame) => make(frame));
    const seconds = (pts) => Math.round(pts * base[0] / base[1] * 1e6) / 1e6;
    return {
      id: track.id, person: track.person, start: track.start, opens_shot: track.opens, closes_shot: track.closes,
      pts: found[0],
      seconds: found[0].map(seconds),
      poses: each((k) => [found[1][k] / 1e4, found[2][k] / 1e4, found[3][k] / 1e7, found[4][k] / 1e7]),
      landmarks: each((k) => [0, 1, 2, 3, 4].map((p) => [found[5 + 2 * p][k] / 100, found[6 + 2 * p][k] / 100])),
      scores: found[15].map((score) => score < 0 ? null : score / 1e4),
    };
  }
})();
