// One robot's moment: its cameras with the latents' attention, the instruction, predicted beside executed actions.
// Live sessions and recorded episodes are shown by the same code; a source says where the data is:
//   {pictures: "/api/…", cameras: [name], names, units, latents, instruction, executed, predicted, now, window, ask}

import { drawCurves, element } from "./curves.js";

export class View {
  constructor(place, texts) {
    this.place = place;
    place.replaceChildren(document.getElementById("view").content.cloneNode(true));
    this.form = place.querySelector("form");
    this.latent = place.querySelector("select[name=latent]");
    place.querySelector(".explain").textContent = texts.explain;
    place.querySelector(".name-of-curve").textContent = texts.curve;
    this.edited = false;
    this.form.instruction.addEventListener("input", () => { this.edited = true; });
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.onask?.(this.instruction()); });
    this.form.addEventListener("reset", (event) => { event.preventDefault(); this.edited = false; this.onask?.(null); });
    this.latent.addEventListener("change", () => this.pictures());
  }

  // What the user typed, null if the robot's own instruction stands.
  instruction() {
    return this.edited ? this.form.instruction.value : null;
  }

  show(source) {
    this.source = source;
    if (!this.edited) this.form.instruction.value = source.instruction;
    this.place.hidden = false;
    this.latents(source.latents);
    this.pictures();
    this.actions(source);
  }

  actions(source) {
    const note = source.note ?? "";
    this.place.querySelector(".where").textContent = note;
    drawCurves(this.place.querySelector(".curves"), source);
  }

  latents(count) {
    if (this.latent.options.length === count + 1) return;
    const option = (value, text) => element("option", { value, textContent: text });
    this.latent.replaceChildren(option("mean", "mean of all"), ...Array.from({ length: count }, (_, i) => option(String(i), `latent ${i}`)));
    this.latent.disabled = count === 0;
  }

  pictures() {
    const place = this.place.querySelector(".cameras");
    const { cameras, pictures, latents, version } = this.source;
    const names = JSON.stringify(cameras) + latents;
    if (place.dataset.names !== names) {
      place.dataset.names = names;
      place.replaceChildren(...cameras.map((camera) => element("figure", {}, [
        element("div", { className: "pair" }, [
          element("img", { className: "camera", alt: `camera ${camera}` }),
          ...(latents ? [element("img", { className: "gaze", alt: `attention of the latents over camera ${camera}` })] : []),
        ]),
        element("figcaption", { textContent: camera }),
      ])));
    }
    [...place.children].forEach((figure, i) => {
      point(figure.querySelector(".camera"), `${pictures}/cameras/${i}?v=${version}`);
      const gaze = figure.querySelector(".gaze");
      if (gaze) point(gaze, `${pictures}/attention/${i}?latent=${this.latent.value || "mean"}&v=${version}`);
    });
  }
}

// A picture that is still loading is not pulled away: the newest address waits until it is there.
function point(image, address) {
  if (image.dataset.address === address) return;
  image.dataset.address = address;
  if (image.dataset.loading) return;
  const load = () => {
    const wanted = image.dataset.address;
    image.dataset.loading = "1";
    image.onload = image.onerror = () => {
      delete image.dataset.loading;
      if (image.dataset.address !== wanted) load();
    };
    image.src = wanted;
  };
  load();
}
