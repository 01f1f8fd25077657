{
  const get = id => document.getElementById(id);
  const state = get("state");
  try {
    const data = JSON.parse(get("data").textContent);
    const viewer = new Niivue({
      backColor: [0, 0, 0, 1], show3Dcrosshair: true, isRadiologicalConvention: true,
      multiplanarShowRender: SHOW_RENDER.ALWAYS, multiplanarLayout: MULTIPLANAR_TYPE.GRID,
      crosshairWidth: 0.5, dragAndDropEnabled: false, logLevel: "error",
      loadingText: "",
    });
    await viewer.attachTo("canvas");
    viewer.setSliceType(viewer.sliceTypeMultiplanar);
    const image = await NVImage.loadFromBase64({
      base64: data.image, name: "image.nii.gz", colormap: "gray", cal_min: 0, cal_max: 255,
    });
    const labels = await NVImage.loadFromBase64({
      base64: data.labels, name: "labels.nii.gz", opacity: 0.5,
    });
    // 1 automated only, 2 manual only, 3 both: the colours of the report.
    labels.setColormapLabel({
      R: [0, 213, 86, 240], G: [0, 94, 180, 228], B: [0, 0, 233, 66], A: [0, 255, 255, 255],
      labels: ["", "automated only", "manual only", "both"],
    });
    viewer.addVolume(image);
    viewer.addVolume(labels);
    viewer.setRenderAzimuthElevation(200, 15);
    if (data.middle_mm) viewer.scene.crosshairPos = viewer.mm2frac(data.middle_mm);
    viewer.updateGLVolume();
    get("opacity").addEventListener("input", event => {
      viewer.setOpacity(1, Number(event.target.value));
    });
    get("only-masks").addEventListener("change", event => {
      viewer.setOpacity(0, event.target.checked ? 0 : 1);
    });
    state.textContent = "";
    state.dataset.drawn = "yes";
  } catch (error) {
    state.textContent = `This browser cannot draw the volume: ${error.message}`;
    state.dataset.drawn = "no";
  }
}
