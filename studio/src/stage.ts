/** The dancers in three dimensions, on a floor, with a camera that follows. Metres, y up. */

import * as THREE from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import type { Skeleton } from "./api";
import { Figure } from "./figure";

// Dancers nearer than this on average share no space, as in the film: they stand side by side, so far apart.
const TOO_NEAR = 0.3, APART = 1.3;
const DISTANCE = 4.6;

export class Stage {
  private readonly renderer: THREE.WebGLRenderer | null;
  private readonly scene = new THREE.Scene();
  private readonly camera = new THREE.PerspectiveCamera(35, 1, 0.05, 100);
  private readonly controls: OrbitControls;
  private readonly floor: THREE.GridHelper;
  private figures: Figure[] = [];
  private skeleton: Skeleton | null = null;
  private positions: Float32Array = new Float32Array();
  /** Where each dancer is moved to. */
  private offsets: THREE.Vector3[] = [];
  private readonly focus = new THREE.Vector3(0, 0.9, 0);
  /** The time that was drawn last, for measuring. */
  time = -1;
  apart = false;
  private stale = true;
  private following = 0;
  private drawn = "";

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.renderer = makeRenderer(canvas);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = true;
    this.controls.maxPolarAngle = Math.PI / 2;
    this.controls.minDistance = 1;
    this.controls.maxDistance = 20;
    this.controls.addEventListener("change", () => { this.stale = true; });
    this.camera.position.set(0.8, 1.4, DISTANCE);
    this.scene.add(new THREE.HemisphereLight("#ffffff", "#8d8d8d", 2.2));
    const sun = new THREE.DirectionalLight("#ffffff", 1.8);
    sun.position.set(2, 5, 3);
    this.scene.add(sun);
    this.floor = new THREE.GridHelper(12, 24);
    this.scene.add(this.floor);
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement ?? canvas);
    this.setTheme(false);
  }

  setTheme(dark: boolean): void {
    this.scene.background = new THREE.Color(dark ? "#1a1f27" : "#ffffff");
    const material = this.floor.material as THREE.LineBasicMaterial;
    material.vertexColors = false;
    material.color.set(dark ? "#3a4452" : "#d3d8df");
    material.needsUpdate = true;
    this.stale = true;
  }

  /** Show a dance, or a group: side by side if its dancers would stand inside each other. */
  load(skeleton: Skeleton, positions: Float32Array): void {
    this.figures.forEach((figure) => { this.scene.remove(figure.group); figure.dispose(); });
    this.skeleton = skeleton;
    this.positions = positions;
    this.offsets = [];
    this.figures = Array.from({ length: skeleton.dancers }, (_, k) => new Figure(skeleton, (joint) => this.joint(0, k, joint), k));
    this.figures.forEach((figure) => this.scene.add(figure.group));
    this.setApart(this.nearest() < TOO_NEAR);
  }

  /** Put the dancers of a group side by side, or where their files have them. */
  setApart(apart: boolean): void {
    const count = this.figures.length;
    this.apart = apart && count > 1;
    this.offsets = [];
    if (this.apart) {
      const centres = this.figures.map((_, k) => this.centre(k));
      const middle = centres.reduce((sum, centre) => sum.add(centre.clone().divideScalar(count)), new THREE.Vector3());
      this.offsets = centres.map((centre, k) =>
        new THREE.Vector3(middle.x + (k - (count - 1) / 2) * APART - centre.x, 0, middle.z - centre.z));
    }
    this.focus.copy(this.middle(0));
    this.show(Math.max(this.time, 0));
    this.placeCamera();
  }

  /** Where the pelvis of each dancer is shown, for tests. */
  get pelvises(): number[][] {
    return this.figures.map((_, k) => this.between(this.frameAt(Math.max(this.time, 0)), k, 0).toArray());
  }

  /** Show the dancers at a time; `flash` from 0 to 1 lights the rings on a beat. */
  draw(time: number, flash: number, isDownbeat: boolean): void {
    this.controls.update();
    // Nothing is drawn twice: a paused page leaves the processor alone.
    const state = `${time} ${flash.toFixed(2)} ${isDownbeat}`;
    if (!this.stale && state === this.drawn) return;
    if (this.skeleton) this.show(time);
    this.figures.forEach((figure) => figure.flash(flash, isDownbeat));
    this.renderer?.render(this.scene, this.camera);
    // While the camera still moves towards the dancers, it goes on.
    this.stale = this.following > 1e-3;
    this.drawn = state;
  }

  /** Turn the camera about the dancers and upwards, radians, and change its distance by a factor. */
  turn(about: number, up: number, distance: number): void {
    const { target } = this.controls, { position } = this.camera;
    const where = new THREE.Spherical().setFromVector3(position.clone().sub(target));
    where.theta += about;
    where.phi = Math.min(Math.max(where.phi - up, 0.05), Math.PI / 2);
    where.radius *= distance;
    position.setFromSpherical(where).add(target);
    this.stale = true;
  }

  private show(time: number): void {
    const exact = this.frameAt(time);
    this.time = time;
    this.figures.forEach((figure, k) => figure.pose((joint) => this.between(exact, k, joint)));
    const root = this.middle(exact);
    // The camera follows, softly.
    const shift = new THREE.Vector3(root.x - this.focus.x, 0, root.z - this.focus.z).multiplyScalar(0.12);
    this.following = shift.length();
    this.focus.add(shift);
    this.camera.position.add(shift);
    this.controls.target.copy(this.focus).setY(0.9);
  }

  private placeCamera(): void {
    const widest = Math.max(...this.figures.map((_, k) => this.joint(0, k, 0).sub(this.focus).setY(0).length()), 0);
    this.controls.target.copy(this.focus).setY(0.9);
    this.camera.position.set(this.focus.x + 0.8, 1.4, this.focus.z + DISTANCE + 1.8 * widest);
    this.resize();
  }

  private frameAt(time: number): number {
    const { fps, frames } = this.skeleton ?? { fps: 30, frames: 1 };
    return Math.min(Math.max(time * fps, 0), frames - 1);
  }

  private joint(frame: number, dancer: number, joint: number): THREE.Vector3 {
    const { dancers, joints } = this.skeleton ?? { dancers: 1, joints: [] };
    const at = ((frame * dancers + dancer) * joints.length + joint) * 3;
    const [x = 0, y = 0, z = 0] = this.positions.subarray(at, at + 3);
    const place = new THREE.Vector3(x, y, z), offset = this.offsets[dancer];
    return offset ? place.add(offset) : place;
  }

  private between(exact: number, dancer: number, joint: number): THREE.Vector3 {
    const frame = Math.floor(exact), last = (this.skeleton?.frames ?? 1) - 1;
    return this.joint(frame, dancer, joint).lerp(this.joint(Math.min(frame + 1, last), dancer, joint), exact - frame);
  }

  /** The middle of all dancers. */
  private middle(exact: number): THREE.Vector3 {
    const sum = this.figures.reduce((total, _, k) => total.add(this.between(exact, k, 0)), new THREE.Vector3());
    return sum.divideScalar(Math.max(this.figures.length, 1));
  }

  /** Frames to look at for where the dancers are. */
  private samples(): number[] {
    const frames = this.skeleton?.frames ?? 1, step = Math.max(1, Math.floor(frames / 100));
    return Array.from({ length: Math.ceil(frames / step) }, (_, k) => k * step);
  }

  private centre(dancer: number): THREE.Vector3 {
    const samples = this.samples();
    const sum = samples.reduce((total, frame) => total.add(this.joint(frame, dancer, 0)), new THREE.Vector3());
    return sum.divideScalar(samples.length);
  }

  /** The mean distance of the two dancers who are nearest to each other. */
  private nearest(): number {
    const samples = this.samples(), { length: count } = this.figures;
    let nearest = Infinity;
    for (let a = 0; a < count; a++) for (let b = 0; b < a; b++) {
      const far = samples.map((frame) => this.joint(frame, a, 0).sub(this.joint(frame, b, 0)).setY(0).length());
      nearest = Math.min(nearest, far.reduce((sum, value) => sum + value, 0) / samples.length);
    }
    return nearest;
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement ?? this.canvas;
    if (!width || !height) return;
    this.renderer?.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer?.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.stale = true;
  }
}

function makeRenderer(canvas: HTMLCanvasElement): THREE.WebGLRenderer | null {
  try {
    return new THREE.WebGLRenderer({ canvas, antialias: true });
  } catch {
    // No WebGL: everything but the dancer works.
    canvas.setAttribute("aria-label", "This browser has no WebGL, so the dancer can't be drawn.");
    return null;
  }
}
